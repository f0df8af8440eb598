//! `anomaly predict`: asks for the verdict on one point.

use std::io::Write;

use contract::{Columns, ColumnsPredictRequest, Point, PredictRequest};

use crate::{
    Error, args::PredictArgs, client::Client, context::Moment, csv::FileError, files, render,
    timestamp::Timestamp,
};

/// Carries out `anomaly predict`.
///
/// # Errors
/// See [`crate::run`].
pub(crate) fn predict(
    client: &Client,
    args: &PredictArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let Some(value) = args.value else {
        return predict_row(client, args, json, out);
    };
    let moment = match &args.context {
        Some(path) => Moment::after(files::read(path, &args.form)?, args.timestamp)?,
        None => Moment::alone(args.timestamp.unwrap_or_else(Timestamp::now)),
    };
    let request = PredictRequest {
        point: Point {
            timestamp: moment.timestamp,
            value,
        },
        judge: args.judge.options(),
        version: args.version.clone(),
        context: moment.context,
    };
    let reply = client.predict(&args.series, &request)?;
    if json {
        return Ok(writeln!(out, "{}", reply.line())?);
    }
    let time = moment.clock.show(moment.timestamp);
    let subject = format!("{}: {} at {time}", args.series, render::value(value));
    Ok(render::verdict(out, &subject, &reply.body)?)
}

/// Judges a row of columns.
fn predict_row(
    client: &Client,
    args: &PredictArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let moment = Moment::alone(args.timestamp.unwrap_or_else(Timestamp::now));
    let values = Columns::new(args.values.clone()).map_err(FileError::Columns)?;
    let request = ColumnsPredictRequest {
        timestamp: moment.timestamp,
        value: values,
        false_alarm_rate: args.judge.options().false_alarm_rate,
        version: args.version.clone(),
        context: None,
    };
    let reply = client.predict_columns(&args.series, &request)?;
    if json {
        return Ok(writeln!(out, "{}", reply.line())?);
    }
    let subject = format!("{} at {}", args.series, moment.clock.show(moment.timestamp));
    Ok(render::columns::verdict(out, &subject, &reply.body)?)
}
