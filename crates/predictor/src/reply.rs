//! Replies as JSON, written member by member: the same bytes as from serde, without a `String` for
//! each sentence. Every reply ends in a line feed.

use std::io::Write as _;

use axum::{
    body::Body,
    http::{HeaderValue, header::CONTENT_TYPE},
    response::Response,
};
use contract::{DetectorName, OnlineReply, Point, Version};
use detector::Verdict;
use http_server::JSON;
use serde::Serialize;

/// The usual size of a reply to a prediction, in bytes.
pub(crate) const PREDICTION_BYTES: usize = 512;

/// A reply with `body`.
pub(crate) fn json(body: impl Into<Body>) -> Response {
    with_type(JSON, body.into())
}

/// A reply with `body`, which has one JSON value on each line.
pub(crate) fn ndjson(body: Body) -> Response {
    with_type(HeaderValue::from_static("application/x-ndjson"), body)
}

fn with_type(content_type: HeaderValue, body: Body) -> Response {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Appends a [`contract::PredictReply`] and a line feed.
pub(crate) fn prediction(
    version: Version,
    verdict: &Verdict,
    warnings: &[String],
    out: &mut Vec<u8>,
) {
    put(out, format_args!("{{\"model_version\":\"{version}\","));
    verdict.write_fields(out);
    self::warnings(warnings, out);
    out.extend_from_slice(b"}\n");
}

/// Appends the beginning of a [`contract::BatchReply`], up to its verdicts.
pub(crate) fn batch_opening(version: Version, detector: DetectorName, out: &mut Vec<u8>) {
    let opening = format_args!(
        "{{\"model_version\":\"{version}\",\"detector\":\"{detector}\",\"verdicts\":["
    );
    put(out, opening);
}

/// Appends a [`contract::JudgedReply`].
pub(crate) fn judged(
    point: Point,
    verdict: &Verdict,
    online: Option<&OnlineReply>,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"{\"timestamp\":");
    value(&point.timestamp, out);
    out.extend_from_slice(b",\"value\":");
    value(&point.value, out);
    out.push(b',');
    verdict.write_fields(out);
    match online {
        Some(online) => members(online, out),
        None => out.push(b'}'),
    }
}

/// Appends the members of `object`, at least one, and the brace that closes the object that is being
/// written.
pub(crate) fn members<T: Serialize>(object: &T, out: &mut Vec<u8>) {
    let opening = out.len();
    value(object, out);
    out[opening] = b',';
}

/// Appends the member `warnings` to an object, unless it is empty.
pub(crate) fn warnings(warnings: &[String], out: &mut Vec<u8>) {
    if !warnings.is_empty() {
        out.extend_from_slice(b",\"warnings\":");
        value(warnings, out);
    }
}

/// Appends `value`.
pub(crate) fn value<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    serde_json::to_writer(out, value).expect("texts and numbers are always JSON");
}

/// Appends `text`.
pub(crate) fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text)
        .expect("memory takes what is written to it");
}

#[cfg(test)]
mod tests {
    use contract::{Cause, DetectorName, FitOptions, JudgeOptions, JudgedReply, PredictReply};
    use detector::Model;

    use super::*;

    /// Verdicts of every detector on points of every kind.
    fn verdicts() -> Vec<(Point, Verdict)> {
        let values = [1.0, 2.0, 3.0].repeat(20);
        let points: Vec<Point> = (0..)
            .zip(values)
            .map(|(timestamp, value)| Point { timestamp, value })
            .collect();
        let mut verdicts = Vec::new();
        for name in DetectorName::ALL {
            let fitted = Model::fit(&points, &FitOptions::default(), *name).unwrap();
            for value in [2.0, -0.0, 1e-7, -99.5, 1e308] {
                let point = Point {
                    timestamp: -60,
                    value,
                };
                let verdict = fitted.model.score(&[], point, &JudgeOptions::default());
                verdicts.push((point, verdict));
            }
        }
        assert!(verdicts.iter().any(|(_, verdict)| verdict.anomaly));
        verdicts
    }

    #[test]
    fn a_prediction_is_what_serde_would_write() {
        for warnings in [vec![], vec!["a \"b\"".to_owned(), "é".to_owned()]] {
            for (_, verdict) in verdicts() {
                let model_version = Version::new(12).unwrap();
                let mut written = Vec::new();
                prediction(model_version, &verdict, &warnings, &mut written);
                let reply = PredictReply {
                    model_version,
                    verdict: verdict.to_reply(),
                    warnings: warnings.clone(),
                };
                let line = serde_json::to_string(&reply).unwrap() + "\n";
                assert_eq!(String::from_utf8(written).unwrap(), line);
            }
        }
    }

    #[test]
    fn a_judged_point_is_what_serde_would_write() {
        let online = |about: Option<i64>, cause| OnlineReply {
            alarm: about.is_some(),
            ratio: 1.25,
            about,
            cause,
        };
        for online in [
            None,
            Some(online(None, Some(Cause::Within))),
            Some(online(Some(7), None)),
        ] {
            for (point, verdict) in verdicts() {
                let mut written = Vec::new();
                judged(point, &verdict, online.as_ref(), &mut written);
                let reply = JudgedReply {
                    timestamp: point.timestamp,
                    value: point.value,
                    verdict: verdict.to_reply(),
                    online: online.clone(),
                };
                assert_eq!(written, serde_json::to_vec(&reply).unwrap());
            }
        }
    }
}
