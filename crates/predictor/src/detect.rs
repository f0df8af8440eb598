//! Detection: a series that is not kept is fitted on its beginning, and the rest judged online, point by point.

use std::time::Instant;

use axum::http::{HeaderMap, header::ACCEPT};
use bytes::Bytes;
use contract::{ChangePointReply, DetectRequest, DetectSummary, DetectorName, EpisodeReply, Point};
use detector::Detection;

use crate::{
    error::Error,
    metrics, reply,
    work::{Output, Stop},
};

/// The form of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One [`contract::DetectReply`].
    Json,
    /// One [`contract::DetectLine`] a line.
    Lines,
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
            Self::Lines
        } else {
            Self::Json
        }
    }
}

/// What is known once the last point is judged.
#[derive(Default)]
struct Count {
    points: u64,
    anomalies: u64,
}

/// Fits and judges what is in `body`, and writes the reply. Where the request names no detector, it is `default`.
///
/// # Errors
/// [`Stop::Refused`] for a body that is no detection and for points that nothing can be learned from, before anything is written;
/// [`Stop::Left`].
pub(crate) fn detect(
    body: Bytes,
    form: Form,
    default: DetectorName,
    output: &mut Output,
) -> Result<(), Stop> {
    let start = Instant::now();
    let request = DetectRequest::parse(&body).map_err(Error::MalformedDetection)?;
    drop(body);
    let DetectRequest { points, train, .. } = &request;
    let fitted = detector::detect(points, *train, &request.fit, default, request.min_deviation);
    let mut detection = fitted.map_err(Error::from)?;
    let rest = &points[train.of(points.len())..];
    let mut count = Count::default();
    let judged = judge(&mut detection, rest, form, &mut count, output);
    metrics::DETECTION_POINTS.inc_by(count.points);
    judged?;
    write_summary(&summary(&detection, count.anomalies), form, output.text());
    metrics::DETECTIONS.inc();
    let took = start.elapsed().saturating_sub(output.held_up());
    metrics::DETECTION_DURATION.observe(took.as_secs_f64());
    Ok(())
}

fn judge(
    detection: &mut Detection,
    points: &[Point],
    form: Form,
    count: &mut Count,
    output: &mut Output,
) -> Result<(), Stop> {
    if form == Form::Json {
        output.text().extend_from_slice(b"{\"verdicts\":[");
    }
    for point in points {
        let judged = detection.update(*point);
        if form == Form::Json && count.points > 0 {
            output.text().push(b',');
        }
        reply::judged(*point, &judged.verdict, Some(judged.ratio), output.text());
        if form == Form::Lines {
            output.text().push(b'\n');
        }
        count.points += 1;
        count.anomalies += u64::from(judged.verdict.anomaly);
        output.pass_on()?;
    }
    Ok(())
}

fn summary(detection: &Detection, anomalies: u64) -> DetectSummary {
    let model = &detection.model;
    let changes = detection.change_points().iter();
    DetectSummary {
        detector: model.detector(),
        train: model.points(),
        anomalies,
        period: model.period(),
        episodes: detection.episodes().iter().map(episode).collect(),
        change_points: changes.map(change_point).collect(),
        warnings: detection.warnings.iter().map(ToString::to_string).collect(),
    }
}

/// Writes the end of the reply. In JSON the summary's members follow the verdicts, so that these need not be held.
fn write_summary(summary: &DetectSummary, form: Form, out: &mut Vec<u8>) {
    match form {
        Form::Json => {
            out.push(b']');
            let opening = out.len();
            reply::value(summary, out);
            out[opening] = b',';
        }
        Form::Lines => {
            out.extend_from_slice(b"{\"summary\":");
            reply::value(summary, out);
            out.extend_from_slice(b"}\n");
        }
    }
}

fn episode(episode: &detector::Episode) -> EpisodeReply {
    EpisodeReply {
        start: episode.start,
        end: episode.end,
        peak: episode.peak,
        severity: episode.severity,
        ratio: episode.ratio,
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
            (&["application/x-ndjson"], Form::Lines),
            (&["text/html, Application/X-NDJSON;q=0.9"], Form::Lines),
            (&["application/json", "application/x-ndjson"], Form::Lines),
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
