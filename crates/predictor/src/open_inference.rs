//! The Open Inference Protocol: a series is a model, and its points are tensors.

use std::{collections::HashMap, sync::Arc, time::Instant};

use axum::{
    extract::{Path, Request, State},
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use contract::{
    JudgeOptions, ProblemCode, SeriesId, Version, VersionRef,
    endpoint::ErrorForm,
    open_inference::{
        INPUTS, InferReply, InferRequest, JSON_LENGTH, ModelMetadata, OUTPUTS, ServerMetadata,
        Tensor, TensorData, TensorMetadata,
    },
};
use detector::Verdict;
use http_server::{Fallible, ProblemReply, json};
use service::{error_form, series::invalid_series};

use crate::{
    App,
    error::Error,
    models::resolve::{self, Resolved, min_revision},
    output,
    predict::{of_numbers, placed},
    recorder::Scored,
    routes::admit,
};

/// The parameters of the path: `series_id`, and perhaps `version`.
type Parameters = Path<HashMap<String, String>>;

/// `GET /v2`: what this is.
pub(crate) async fn server() -> Response {
    json(&ServerMetadata {
        name: "anomaly",
        version: env!("CARGO_PKG_VERSION"),
        extensions: ["binary_tensor_data"],
    })
}

/// `GET /v2/models/{series_id}`: what the model takes and gives.
pub(crate) async fn model(
    State(app): State<Arc<App>>,
    Path(parameters): Parameters,
    headers: HeaderMap,
) -> Response {
    let found = resolve(&app, &parameters, &headers).await;
    answer(found.map(|(resolved, _)| {
        let loaded = resolved.model();
        json(&ModelMetadata {
            name: loaded.series.to_string(),
            versions: [loaded.version.to_string()],
            platform: "anomaly",
            inputs: INPUTS.map(TensorMetadata::of).into(),
            outputs: OUTPUTS.map(TensorMetadata::of).into(),
        })
    }))
}

/// `GET /v2/models/{series_id}/ready`: whether it can judge.
pub(crate) async fn ready(
    State(app): State<Arc<App>>,
    Path(parameters): Parameters,
    headers: HeaderMap,
) -> Response {
    let found = resolve(&app, &parameters, &headers).await;
    answer(found.map(|_| json(&serde_json::json!({"ready": true}))))
}

/// `POST /v2/models/{series_id}/infer`: judges points as a batch does.
pub(crate) async fn infer(
    State(app): State<Arc<App>>,
    Path(parameters): Parameters,
    request: Request,
) -> Response {
    answer(judge(&app, &parameters, request).await)
}

/// Problems as clients of the protocol read them.
fn answer(reply: Fallible<Response>) -> Response {
    reply.unwrap_or_else(|problem| {
        error_form::write(ErrorForm::OpenInference, problem.into_response())
    })
}

/// The model that a path names, and whether it was in memory.
async fn resolve(
    app: &App,
    parameters: &HashMap<String, String>,
    headers: &HeaderMap,
) -> Fallible<(Resolved, bool)> {
    let series = parameters.get("series_id").map_or("", String::as_str);
    let series = SeriesId::new(series).map_err(invalid_series)?;
    let version = parameters.get("version").map(|version| {
        // Clients of other servers count versions without a letter.
        let number = version.parse().ok().and_then(Version::new);
        number.map_or_else(|| version.parse(), |number| Ok(VersionRef::Version(number)))
    });
    let unknown = |_| ProblemReply::new(ProblemCode::ModelNotFound, "There is no such version");
    let version: Option<VersionRef> = version.transpose().map_err(unknown)?;
    let at_least = min_revision(headers);
    let resolved = resolve::resolve(&app.models, series.as_str(), at_least, version.as_ref());
    Ok(resolved.await?)
}

async fn judge(
    app: &App,
    parameters: &HashMap<String, String>,
    request: Request,
) -> Fallible<Response> {
    let start = Instant::now();
    let (head, body) = request.into_parts();
    let json_length = head.headers.get(JSON_LENGTH);
    let json_length = json_length.and_then(|length| length.to_str().ok()?.parse().ok());
    let (admitted, body) = admit(app, body).await?;
    let (resolved, hit) = resolve(app, parameters, &head.headers).await?;
    let core = output::acquire(&app.cores).await?;
    let recorder = Arc::clone(&app.recorder);
    let judged = core.run(move || -> Fallible<InferReply> {
        let _admitted = admitted;
        let refused = |why| ProblemReply::new(ProblemCode::InvalidPayload, why);
        let request = InferRequest::parse(&body, json_length).map_err(refused)?;
        let loaded = resolved.model();
        let model = of_numbers(&loaded.model)?;
        let points = placed(model, &request.points, None).map_err(Error::from)?;
        let mut scorer = model.fixed_scorer(&[]);
        let options = JudgeOptions::default();
        let points = points.iter();
        let verdicts: Vec<Verdict> = points.map(|point| scorer.score(*point, &options)).collect();
        let anomalies = verdicts.iter().filter(|verdict| verdict.anomaly).count();
        let scored = Scored {
            points: verdicts.len() as u64,
            anomalies: anomalies as u64,
            hit,
            took: start.elapsed(),
        };
        recorder.record_batch(loaded, scored);
        Ok(InferReply {
            model_name: loaded.series.to_string(),
            model_version: loaded.version.to_string(),
            id: request.id,
            outputs: tensors(&verdicts, &request.outputs),
        })
    });
    Ok(json(&judged.await?))
}

/// The outputs of these names, or all.
fn tensors(verdicts: &[Verdict], names: &[String]) -> Vec<Tensor> {
    let is_asked = |name: &str| names.is_empty() || names.iter().any(|asked| asked == name);
    let wanted = OUTPUTS.into_iter().filter(|(name, _)| is_asked(name));
    wanted
        .map(|(name, datatype)| Tensor {
            name,
            datatype,
            shape: [verdicts.len()],
            data: elements(verdicts, name),
        })
        .collect()
}

/// A bound that is none is the largest number there is: tensors have no empty places.
fn elements(verdicts: &[Verdict], name: &str) -> TensorData {
    let numbers = |of: fn(&Verdict) -> f64| TensorData::Numbers(verdicts.iter().map(of).collect());
    match name {
        "anomaly" => TensorData::Bools(verdicts.iter().map(|v| v.anomaly).collect()),
        "score" => numbers(|v| v.score),
        "p_value" => numbers(|v| v.p_value),
        "expected" => numbers(|v| v.expected.unwrap_or(0.0)),
        "lower" => numbers(|v| v.lower.unwrap_or(f64::MIN)),
        "upper" => numbers(|v| v.upper.unwrap_or(f64::MAX)),
        _ => TensorData::Texts(verdicts.iter().map(|v| v.reason.to_string()).collect()),
    }
}
