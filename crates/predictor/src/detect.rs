//! Detection: a series that is not kept is fitted on its beginning, and the rest is scored online,
//! point by point.

use std::time::Instant;

use axum::http::{HeaderMap, header::ACCEPT};
use bytes::Bytes;
use contract::{
    ChangePointReply, DetectForm, DetectRequest, DetectSummary, DetectorName, EpisodeReply, Point,
    Requested,
};
use detector::Detection;
use serde::Serialize;

use crate::{
    columnar, columns,
    error::Error,
    metrics,
    output::{Output, Stop},
    reply, table,
};

/// The form of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One [`contract::DetectReply`].
    Json,
    /// One [`contract::DetectLine`] on each line.
    Ndjson,
}

impl Form {
    /// The form that a client asks for.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).iter();
        let mut types = accepted
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|range| range.split(';').next().unwrap_or_default().trim());
        if types.any(|kind| kind.eq_ignore_ascii_case("application/x-ndjson")) {
            Self::Ndjson
        } else {
            Self::Json
        }
    }
}

/// The points that have been scored.
#[derive(Default)]
pub(crate) struct Count {
    pub(crate) points: u64,
    pub(crate) anomalies: u64,
    pub(crate) alarms: u64,
    /// One sentence for each thing in the request that is to be told.
    pub(crate) said: Vec<String>,
}

/// Fits and scores the series in `body`, and writes the reply. The detector is `default` unless the
/// request names one.
///
/// # Errors
/// [`Stop::Refused`], before anything is written, for a body that is not valid and for points that
/// no model can be fitted on; [`Stop::Disconnected`].
pub(crate) fn detect(
    body: Bytes,
    form: Form,
    default: DetectorName,
    output: &mut Output,
) -> Result<(), Stop> {
    let start = Instant::now();
    let parsed = DetectRequest::parse_any(&body).map_err(Error::MalformedDetection)?;
    drop(body);
    let mut count = Count {
        said: parsed.warnings,
        ..Count::default()
    };
    let written = match parsed.body {
        Requested::Series(request) => series(&request, form, default, &mut count, output),
        Requested::Columns(request) => columns::detect(request, form, default, &mut count, output),
    };
    metrics::DETECTION_POINTS.inc_by(count.points);
    written?;
    metrics::DETECTIONS.inc();
    let took = start.elapsed().saturating_sub(output.held_up());
    metrics::DETECTION_DURATION.observe(took.as_secs_f64());
    Ok(())
}

/// Fits and scores a series of numbers.
fn series(
    request: &DetectRequest,
    form: Form,
    default: DetectorName,
    count: &mut Count,
    output: &mut Output,
) -> Result<(), Stop> {
    let DetectRequest { points, train, .. } = request;
    let asked = request.form.unwrap_or(DetectForm::Rows);
    if asked != DetectForm::Rows && form == Form::Ndjson {
        return Err(Error::FormInLines(asked).into());
    }
    let fitted = detector::detect(points, *train, &request.fit, default, request.min_deviation);
    let mut detection = fitted.map_err(Error::from)?;
    let rest = &points[train.of(points.len())..];
    match asked {
        DetectForm::Columns => return columnar::write(&mut detection, points, count, output),
        DetectForm::Table => table::write(&mut detection, rest, count, output)?,
        DetectForm::Rows => score(&mut detection, rest, form, count, output)?,
    }
    write_summary(&summary(&detection, count), form, output.buffer());
    Ok(())
}

fn score(
    detection: &mut Detection,
    points: &[Point],
    form: Form,
    count: &mut Count,
    output: &mut Output,
) -> Result<(), Stop> {
    if form == Form::Json {
        output.buffer().extend_from_slice(b"{\"verdicts\":[");
    }
    for (i, point) in points.iter().enumerate() {
        let scored = match i + 1 == points.len() {
            true => detection.update_last(*point),
            false => detection.update(*point),
        };
        if form == Form::Json && count.points > 0 {
            output.buffer().push(b',');
        }
        let online = scored.to_reply();
        reply::judged(*point, &scored.verdict, Some(&online), output.buffer());
        if form == Form::Ndjson {
            output.buffer().push(b'\n');
        }
        count.points += 1;
        count.anomalies += u64::from(scored.verdict.anomaly);
        count.alarms += u64::from(scored.alarm);
        output.flush_chunk()?;
    }
    Ok(())
}

fn summary(detection: &Detection, count: &Count) -> DetectSummary {
    let model = &detection.model;
    DetectSummary {
        detector: model.detector(),
        train: model.points(),
        anomalies: count.anomalies,
        alarms: count.alarms,
        period: model.period(),
        episodes: episodes(detection),
        change_points: change_points(detection),
        warnings: warnings(detection, count),
    }
}

/// Writes the end of the reply. In JSON the members of the summary follow the verdicts, so that
/// these need not be kept in memory.
pub(crate) fn write_summary<S: Serialize>(summary: &S, form: Form, out: &mut Vec<u8>) {
    match form {
        Form::Json => {
            out.push(b']');
            reply::members(summary, out);
            out.push(b'\n');
        }
        Form::Ndjson => {
            out.extend_from_slice(b"{\"summary\":");
            reply::value(summary, out);
            out.extend_from_slice(b"}\n");
        }
    }
}

/// The episodes, as types of the contract.
pub(crate) fn episodes(detection: &Detection) -> Vec<EpisodeReply> {
    detection.episodes().iter().map(episode).collect()
}

/// The change points, as types of the contract.
pub(crate) fn change_points(detection: &Detection) -> Vec<ChangePointReply> {
    let changes = detection.change_points().iter();
    changes.map(change_point).collect()
}

/// What was said of the request, and the warnings about the training points, as sentences.
pub(crate) fn warnings(detection: &Detection, count: &Count) -> Vec<String> {
    let about_points = detection.warnings.iter().map(ToString::to_string);
    count.said.iter().cloned().chain(about_points).collect()
}

fn episode(episode: &detector::Episode) -> EpisodeReply {
    EpisodeReply {
        began: episode.began,
        start: episode.start,
        end: episode.end,
        peak: episode.peak,
        value: episode.value,
        expected: episode.expected,
        direction: episode.direction,
        severity: episode.severity,
        ratio: episode.ratio,
        alarms: episode.alarms,
        reason: episode.reason.to_string(),
    }
}

fn change_point(change: &detector::ChangePoint) -> ChangePointReply {
    ChangePointReply {
        timestamp: change.timestamp,
        from: change.from,
        to: change.to,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn lines_are_for_those_who_accept_them() {
        for (accept, form) in [
            (&[][..], Form::Json),
            (&["*/*"], Form::Json),
            (&["application/json"], Form::Json),
            (&["application/x-ndjson"], Form::Ndjson),
            (&["text/html, Application/X-NDJSON;q=0.9"], Form::Ndjson),
            (&["application/json", "application/x-ndjson"], Form::Ndjson),
            (&["application/x-ndjsons"], Form::Json),
        ] {
            let values = accept.iter().map(|text| HeaderValue::from_static(text));
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT, value);
            }
            assert_eq!(Form::of(&headers), form, "{accept:?}");
        }
    }
}
