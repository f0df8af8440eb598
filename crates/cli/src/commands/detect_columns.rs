//! `anomaly detect --columns`: finds the rows of a file whose columns do not go together.

use std::{collections::HashMap, io::Write, time::Instant};

use contract::{ColumnsDetectRequest, ColumnsDetectSummary};
use serde::Deserialize;

use super::detect::{judging, pass_on, title};
use crate::{
    Error,
    args::{CsvArgs, DetectArgs, PlotFormat},
    client::{Client, View},
    csv::TableFile,
    files,
    http::{ClientError, NdjsonReader},
    progress::Progress,
    render::{columns, count, detection},
    timestamp::Clock,
};

/// A line of the reply.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Summary {
        summary: ColumnsDetectSummary,
    },
    Row {
        timestamp: i64,
        anomaly: bool,
        reason: String,
    },
}

/// The result of a detection.
struct Found {
    summary: ColumnsDetectSummary,
    /// The reasons of the abnormal rows, by timestamp.
    reasons: HashMap<i64, String>,
    judged: usize,
}

/// Carries out `anomaly detect --columns`.
///
/// # Errors
/// See [`crate::run`].
pub(super) fn detect_columns(
    client: &Client,
    args: &DetectArgs,
    json: bool,
    out: &mut impl Write,
) -> Result<(), Error> {
    let CsvArgs { file, form } = &args.csv;
    let TableFile { table, clock, .. } = files::read_table(file, form, &args.table.columns)?;
    let (points, train) = (table.rows(), args.train.of(table.rows()));
    if train >= points {
        return Err(Error::NothingLeft { points, train });
    }
    let request = ColumnsDetectRequest {
        table,
        train: args.train,
        fit: args.options.options(form.timezone.as_ref()),
    };
    let printed = if json {
        pass(client, &request, out)
    } else {
        print(client, args, &request, clock, out)
    };
    let printed = printed.map_err(|error| error.of_many(points));
    let Some(path) = &args.plot else {
        return printed;
    };
    files::unless_reader_is_gone(printed)?;
    let sample = request.table.timestamps[0];
    let ticks = |time| clock.ticks(time, sample);
    let view = View {
        size: args.view.size,
        from: args.view.from.map(ticks),
        to: args.view.to.map(ticks),
        format: PlotFormat::of_name(path),
    };
    let picture = client.detect_plot(&request, title(file), view)?;
    files::save(path, &picture, json, out)
}

fn print(
    client: &Client,
    args: &DetectArgs,
    request: &ColumnsDetectRequest,
    clock: Clock,
    out: &mut impl Write,
) -> Result<(), Error> {
    let started = Instant::now();
    let found = listen(lines_of(client, request)?, judged_rows(request))?;
    columns::fitted(out, &found.summary)?;
    let mut episodes = found.summary.episodes.clone();
    episodes.sort_by(|one, other| one.p_value.total_cmp(&other.p_value));
    let shown = args.top.unwrap_or(usize::MAX).min(episodes.len());
    for episode in &episodes[..shown] {
        let reason = found.reasons.get(&episode.peak).map(String::as_str);
        columns::episode(out, episode, reason, clock)?;
    }
    detection::left_out(out, episodes.len() - shown)?;
    Ok(columns::counts(
        out,
        &found.summary,
        found.judged,
        started.elapsed(),
    )?)
}

/// Prints the reply as it comes.
fn pass(
    client: &Client,
    request: &ColumnsDetectRequest,
    out: &mut impl Write,
) -> Result<(), Error> {
    pass_on(lines_of(client, request)?, judged_rows(request), out)
}

fn lines_of(client: &Client, request: &ColumnsDetectRequest) -> Result<NdjsonReader, ClientError> {
    let rows = count(request.table.rows(), "row");
    let _waiting = Progress::spinner(format!("detecting in {rows}"));
    client.detect(request)
}

fn judged_rows(request: &ColumnsDetectRequest) -> usize {
    let rows = request.table.rows();
    rows - request.train.of(rows)
}

/// Reads `lines`, about `expected` of them, to the end.
fn listen(mut lines: NdjsonReader, expected: usize) -> Result<Found, ClientError> {
    let bar = judging(expected);
    let mut reasons = HashMap::new();
    let mut judged = 0;
    while lines.next()?.is_some() {
        match lines.parse()? {
            Line::Row {
                timestamp,
                anomaly,
                reason,
            } => {
                judged += 1;
                bar.step();
                if anomaly {
                    reasons.insert(timestamp, reason);
                }
            }
            Line::Summary { summary } => {
                return Ok(Found {
                    summary,
                    reasons,
                    judged,
                });
            }
        }
    }
    Err(lines.ended_early())
}
