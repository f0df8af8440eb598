//! Judging rows of several columns, for the routes that judge points.

use std::{sync::Arc, time::Instant};

use axum::{http::request::Parts, response::Response};
use contract::{
    ColumnReply, Columns, ColumnsBatchRequest, ColumnsDetectRequest, ColumnsDetectSummary,
    ColumnsEpisodeReply, ColumnsJudgedReply, ColumnsPredictReply, ColumnsPredictRequest,
    ColumnsVerdictReply, DetectorName, Parsed, PredictRequest, Requested, Table, TimeUnit,
};
use detector::{
    Column, JointDetection, JointEpisode, JointVerdict, MultivariateModel, Row, StoredModel,
    detect_columns,
};
use http_server::{Fallible, ProblemReply};
use service::series::decode_series_text;

use crate::{
    App,
    batch::Tally,
    detect::{Count, Form, write_summary},
    error::Error,
    models::{entry::LoadedModel, resolve::Resolved},
    output::{self, Output, Stop},
    predict::count,
    query::PredictQuery,
    reply,
    routes::{resolve_for, series_in},
};

/// The model of columns in `model`.
///
/// # Errors
/// [`Error::Columns`] if it is one of a series of numbers.
fn of_columns(model: &StoredModel) -> Result<&MultivariateModel, Error> {
    match model {
        StoredModel::Multivariate(model) => Ok(model),
        StoredModel::Univariate(_) => {
            let why = "The model has no columns: send one number";
            Err(Error::Columns(why.to_owned()))
        }
    }
}

/// Judges the row in `body`, whose request is not one about a single point for the reason `fault`.
pub(crate) async fn predict(
    app: &Arc<App>,
    head: &Parts,
    body: &[u8],
    fault: ProblemReply,
    start: Instant,
) -> Fallible<Response> {
    let Parsed {
        body: request,
        mut warnings,
        unit,
    } = PredictRequest::parse_any(body).map_err(Error::Malformed)?;
    let Requested::Columns(mut request) = request else {
        return Err(fault);
    };
    let series = decode_series_text(series_in(head))?;
    let mut query = PredictQuery::parse(head.uri.query())?;
    let version = query.version(request.version.take())?;
    warnings.append(&mut query.warnings);
    let (resolved, hit) = resolve_for(app, head, &series, version.as_ref()).await?;
    let core = output::acquire(&app.cores).await?;
    let judging = core.run(move || (judge(&request, unit, &resolved), resolved));
    let (verdict, resolved) = judging.await;
    let (verdict, anomaly) = verdict?;
    let reply = ColumnsPredictReply {
        model_version: resolved.model().version,
        verdict,
        warnings,
    };
    count(app, &resolved, anomaly, hit, start);
    let mut body = Vec::new();
    reply::value(&reply, &mut body);
    body.push(b'\n');
    Ok(reply::json(body))
}

/// The verdict on the row of `request`, and whether it is an anomaly.
fn judge(
    request: &ColumnsPredictRequest,
    unit: Option<TimeUnit>,
    resolved: &Resolved,
) -> Result<(ColumnsVerdictReply, bool), Error> {
    let model = of_columns(&resolved.model().model)?;
    let context = rows_of(model, request.context.as_ref(), unit)?;
    let values = request
        .value
        .in_order_of(model.columns())
        .map_err(mismatch)?;
    let row = Row {
        timestamp: model.timestamp(request.timestamp, unit)?,
        values: values.into_iter().copied().collect(),
    };
    let verdict = model.score(&context, &row, request.false_alarm_rate);
    let anomaly = verdict.anomaly;
    Ok((verdict_reply(model, verdict), anomaly))
}

/// Writes the beginning of a reply to a batch, up to the last verdict, and counts rows and
/// anomalies.
///
/// # Errors
/// [`Stop::Refused`], before anything is written, for rows that the model cannot judge;
/// [`Stop::Disconnected`].
pub(crate) fn write_verdicts(
    request: &ColumnsBatchRequest,
    unit: Option<TimeUnit>,
    loaded: &LoadedModel,
    output: &mut Output,
    tally: &mut Tally,
) -> Result<(), Stop> {
    let model = of_columns(&loaded.model)?;
    let context = rows_of(model, request.context.as_ref(), unit)?;
    let rows = rows_of(model, Some(&request.table), unit)?;
    reply::batch_opening(loaded.version, model.detector(), output.buffer());
    let mut scorer = model.fixed_scorer(&context);
    for row in &rows {
        let verdict = scorer.score(row, request.false_alarm_rate);
        if tally.points > 0 {
            output.buffer().push(b',');
        }
        tally.points += 1;
        tally.anomalies += u64::from(verdict.anomaly);
        reply::value(&judged_reply(model, row, verdict, None), output.buffer());
        output.flush_chunk()?;
    }
    Ok(())
}

/// As [`crate::detect::detect`], for columns.
///
/// # Errors
/// As there.
pub(crate) fn detect(
    request: ColumnsDetectRequest,
    form: Form,
    default: DetectorName,
    counted: &mut Count,
    output: &mut Output,
) -> Result<(), Stop> {
    let ColumnsDetectRequest { table, train, fit } = request;
    let first = train.of(table.rows());
    let columns = columns_of(table);
    let mut detection = detect_columns(&columns, train, &fit, default).map_err(Error::from)?;
    if form == Form::Json {
        output.buffer().extend_from_slice(b"{\"verdicts\":[");
    }
    for at in first..columns[0].points.len() {
        let row = Row {
            timestamp: columns[0].points[at].timestamp,
            values: columns
                .iter()
                .map(|column| column.points[at].value)
                .collect(),
        };
        let judged = detection.update(&row);
        if form == Form::Json && counted.points > 0 {
            output.buffer().push(b',');
        }
        counted.points += 1;
        counted.anomalies += u64::from(judged.verdict.anomaly);
        counted.alarms += u64::from(judged.alarm);
        let model = &detection.model;
        let reply = judged_reply(model, &row, judged.verdict, Some(judged.alarm));
        reply::value(&reply, output.buffer());
        if form == Form::Ndjson {
            output.buffer().push(b'\n');
        }
        output.flush_chunk()?;
    }
    write_summary(&summary(&detection, counted), form, output.buffer());
    Ok(())
}

fn summary(detection: &JointDetection, counted: &Count) -> ColumnsDetectSummary {
    let model = &detection.model;
    let warnings = detection.warnings.iter();
    ColumnsDetectSummary {
        detector: model.detector(),
        columns: model.columns().map(str::to_owned).collect(),
        train: model.points(),
        anomalies: counted.anomalies,
        alarms: counted.alarms,
        episodes: detection.episodes().iter().map(episode).collect(),
        warnings: counted
            .said
            .iter()
            .cloned()
            .chain(warnings.map(|(column, warning)| format!("{column}: {warning}")))
            .collect(),
    }
}

fn episode(episode: &JointEpisode) -> ColumnsEpisodeReply {
    ColumnsEpisodeReply {
        start: episode.start,
        end: episode.end,
        peak: episode.peak,
        severity: episode.severity,
        p_value: episode.p_value,
    }
}

/// The rows of `table`, whose timestamps count in `unit`, with the columns in the order of `model` and
/// its unit.
fn rows_of(
    model: &MultivariateModel,
    table: Option<&Table>,
    unit: Option<TimeUnit>,
) -> Result<Vec<Row>, Error> {
    let Some(Table { timestamps, values }) = table else {
        return Ok(Vec::new());
    };
    let columns = values.in_order_of(model.columns()).map_err(mismatch)?;
    let row = |(at, timestamp): (usize, &i64)| {
        Ok(Row {
            timestamp: model.timestamp(*timestamp, unit)?,
            values: columns.iter().map(|values| values[at]).collect(),
        })
    };
    timestamps.iter().enumerate().map(row).collect()
}

fn mismatch(why: String) -> Error {
    Error::Columns(why)
}

/// The columns of `table`, each with its points.
fn columns_of(table: Table) -> Vec<Column> {
    let Table { timestamps, values } = table;
    let columns = values.into_vec().into_iter();
    columns
        .map(|(name, values)| Column::new(name, &timestamps, values))
        .collect()
}

fn judged_reply(
    model: &MultivariateModel,
    row: &Row,
    verdict: JointVerdict,
    alarm: Option<bool>,
) -> ColumnsJudgedReply {
    ColumnsJudgedReply {
        timestamp: row.timestamp,
        value: named(model, row.values.iter().copied()),
        verdict: verdict_reply(model, verdict),
        alarm,
    }
}

fn verdict_reply(model: &MultivariateModel, verdict: JointVerdict) -> ColumnsVerdictReply {
    let columns = verdict.columns.iter().map(|column| ColumnReply {
        expected: column.expected,
        lower: column.lower,
        upper: column.upper,
        p_value: column.p_value,
    });
    ColumnsVerdictReply {
        anomaly: verdict.anomaly,
        score: verdict.score,
        severity: verdict.severity,
        p_value: verdict.p_value,
        direction: verdict.direction,
        reason: verdict.reason,
        detector: model.detector(),
        contributions: named(model, verdict.contributions.into_iter()),
        columns: named(model, columns),
    }
}

/// One thing for each column of `model`, by name.
fn named<T>(model: &MultivariateModel, things: impl Iterator<Item = T>) -> Columns<T> {
    let names = model.columns().map(str::to_owned);
    Columns::new(names.zip(things).collect()).expect("a model has names that keep the rules")
}
