//! The univariate calls of Azure Anomaly Detector: a whole series is judged, and nothing is kept.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Path, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use contract::{
    ProblemCode,
    azure::{AzureChangeReply, AzureEntireReply, AzureLastReply, AzureRequest, AzureTask},
    endpoint::ErrorForm,
};
use detector::decomposition::{self, RangeVerdict, Tolerance};
use http_server::{Fallible, ProblemReply, json};
use serde::Serialize;
use service::error_form;

use crate::{App, metrics, output, routes::admit};

/// The versions whose requests and replies these are.
const VERSIONS: [&str; 3] = ["v1.0", "v1.1", "v1.1-preview.1"];

/// The points that Azure suggests to send where there is no season.
const WITHOUT_SEASON: usize = 29;

/// The reply, or an error as these clients read it.
pub(crate) async fn detect(
    State(app): State<Arc<App>>,
    Path((version, task)): Path<(String, String)>,
    request: Request,
) -> Response {
    let known = AzureTask::ALL.iter().find(|known| {
        // Clients do not agree on its letters.
        known.as_str().eq_ignore_ascii_case(&task)
    });
    let known = known.filter(|_| VERSIONS.contains(&&*version));
    let answer = match known {
        None => Err(not_found(&version, &task)),
        Some(AzureTask::Entire) => answer(&app, request, judge_all).await,
        Some(AzureTask::Last) => answer(&app, request, judge_last).await,
        Some(AzureTask::Change) => answer(&app, request, find_changes).await,
    };
    answer.unwrap_or_else(|problem| error_form::write(ErrorForm::Azure, problem.into_response()))
}

fn not_found(version: &str, task: &str) -> ProblemReply {
    let detail = format!("There is no '{task}' of version '{version}'");
    ProblemReply::new(ProblemCode::NotFound, detail)
}

async fn answer<T: Serialize + Send + 'static>(
    app: &App,
    request: Request,
    work: fn(&AzureRequest) -> T,
) -> Fallible<Response> {
    let (admitted, body) = admit(app, request.into_body()).await?;
    let core = output::acquire(&app.cores).await?;
    let start = Instant::now();
    let worked = core.run(move || {
        let _admitted = admitted;
        let request = AzureRequest::parse(&body)?;
        metrics::DETECTION_POINTS.inc_by(request.places.len() as u64);
        Ok(work(&request))
    });
    Ok(match worked.await {
        Ok(reply) => {
            metrics::DETECTIONS.inc();
            metrics::DETECTION_DURATION.observe(start.elapsed().as_secs_f64());
            json(&reply)
        }
        Err(error) => error_form::azure(StatusCode::BAD_REQUEST.into_response(), &error),
    })
}

fn tolerance(request: &AzureRequest) -> Tolerance {
    Tolerance {
        sensitivity: request.sensitivity,
        max_ratio: request.max_anomaly_ratio,
    }
}

/// Whether the value lies below and above the range.
fn sides(verdict: &RangeVerdict) -> (bool, bool) {
    let deviation = verdict.deviation.unwrap_or(0.0);
    (deviation < 0.0, deviation > 0.0)
}

fn judge_all(request: &AzureRequest) -> AzureEntireReply {
    let (verdicts, period) =
        decomposition::every_point(&request.grid, request.period, &tolerance(request));
    let mut reply = AzureEntireReply {
        period: period.unwrap_or(0),
        ..AzureEntireReply::default()
    };
    for verdict in request.places.iter().filter_map(|place| verdicts[*place]) {
        let (below, above) = sides(&verdict);
        reply.expected_values.push(verdict.expected);
        reply.upper_margins.push(verdict.upper);
        reply.lower_margins.push(verdict.lower);
        reply.is_anomaly.push(below || above);
        reply.is_negative_anomaly.push(below);
        reply.is_positive_anomaly.push(above);
        reply.severity.push(verdict.severity());
    }
    reply
}

fn judge_last(request: &AzureRequest) -> AzureLastReply {
    let (verdict, period) =
        decomposition::last_point(&request.grid, request.period, &tolerance(request));
    let (below, above) = sides(&verdict);
    AzureLastReply {
        period: period.unwrap_or(0),
        suggested_window: period.map_or(WITHOUT_SEASON, |period| 4 * period + 1),
        expected_value: verdict.expected,
        upper_margin: verdict.upper,
        lower_margin: verdict.lower,
        is_anomaly: below || above,
        is_negative_anomaly: below,
        is_positive_anomaly: above,
        severity: verdict.severity(),
    }
}

fn find_changes(request: &AzureRequest) -> AzureChangeReply {
    let (stable, threshold) = (request.stable_trend_window, request.threshold);
    let (changes, period) =
        decomposition::changes(&request.grid, request.period, stable, threshold);
    let points = request.places.len();
    let mut reply = AzureChangeReply {
        period: period.unwrap_or(0),
        is_change_point: vec![false; points],
        confidence_scores: vec![0.0; points],
    };
    for change in changes {
        // A new level that begins in a gap is seen at the first point behind it.
        let at = request
            .places
            .partition_point(|place| *place < change.place);
        if at < points {
            reply.is_change_point[at] = true;
            reply.confidence_scores[at] = change.confidence;
        }
    }
    reply
}
