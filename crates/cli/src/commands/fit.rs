//! `anomaly fit`: fits a series on the points of a file.

use std::io::Write;

use contract::{ColumnsFitRequest, FitOptions, FitReply, FitRequest, Point, SeriesId};

use crate::{
    Error,
    args::{CsvArgs, FitArgs},
    client::Client,
    csv::TableFile,
    files,
    http::{ClientError, Reply},
    progress::Progress,
    render::{self, count},
};

/// Carries out `anomaly fit`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn fit(
    client: &Client,
    args: &FitArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    if !args.table.columns.is_empty() {
        return fit_columns(client, args, json, out);
    }
    let CsvArgs { file, form } = &args.csv;
    let file = files::read(file, form)?;
    let options = args.options.options(form.timezone.as_ref());
    let reply = fit_on(client, &args.series, &file.points, options)?;
    if json {
        return Ok(writeln!(out, "{}", reply.line())?);
    }
    Ok(render::fitted(out, &reply.body, &file.points, file.clock)?)
}

fn fit_columns(
    client: &Client,
    args: &FitArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let CsvArgs { file, form } = &args.csv;
    let TableFile {
        table,
        points,
        clock,
        ..
    } = files::read_table(file, form, &args.table.columns)?;
    let progress = Progress::spinner(format!("fitting {}", count(points.len(), "row")));
    let request = ColumnsFitRequest {
        table,
        options: args.options.options(form.timezone.as_ref()),
    };
    let reply = client.fit_columns(&args.series, &request)?;
    drop(progress);
    if json {
        return Ok(writeln!(out, "{}", reply.line())?);
    }
    Ok(render::fitted(out, &reply.body, &points, clock)?)
}

/// Fits `series` on `points`, and shows meanwhile that it takes a while.
pub(super) fn fit_on(
    client: &Client,
    series: &SeriesId,
    points: &[Point],
    options: FitOptions,
) -> Result<Reply<FitReply>, ClientError> {
    let _progress = Progress::spinner(format!("fitting {}", count(points.len(), "point")));
    let request = FitRequest {
        timestamps: points.iter().map(|p| p.timestamp).collect(),
        values: points.iter().map(|p| p.value).collect(),
        options,
    };
    client.fit(series, &request)
}
