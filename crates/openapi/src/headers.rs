//! Headers, parameters of paths, and API keys.

use contract::{
    Endpoint, EndpointName,
    azure::AzureTask,
    endpoint::{ErrorForm, Method},
};
use serde_json::{Map, Value, json};

use crate::{
    calls::{At, Call},
    examples::Example,
    problems,
};

/// Headers of requests that any call takes.
const OF_ALL: [&str; 2] = ["RequestId", "Traceparent"];

/// The headers of replies, by their names.
pub(crate) fn of_replies() -> Value {
    let text = |about: &str, schema: Value| json!({"description": about, "schema": schema});
    let string = || json!({"type": "string"});
    json!({
        "x-request-id": text("The id of the request, which the logs have too.", json!({"type": "string", "pattern": "^[!-~]{1,128}$"})),
        "etag": text("The revision of the series, in double quotes.", json!({"type": "string", "pattern": "^\"r[0-9]+\"$"})),
        "x-series-revision": text("The revision of the series after the request.", json!({"$ref": "#/components/schemas/Revision"})),
        "x-model-version": text("The version that was made, or that the alias names.", json!({"$ref": "#/components/schemas/Version"})),
        "location": text("The path of the model.", string()),
        "content-disposition": text("The name of the file.", string()),
        "set-cookie": text("The cookie `anomaly_key`, if the platform has API keys.", string()),
        "retry-after": text("When to try again, in whole seconds.", json!({"type": "integer", "minimum": 0})),
        "retry-after-ms": text("When to try again, in milliseconds; more exact.", json!({"type": "integer", "minimum": 0})),
        "www-authenticate": text("`Bearer`.", string()),
        "x-ms-error-code": text("The code of the refusal.", string()),
    })
}

/// The headers `names` by reference. Those that end in `?` may be absent.
pub(crate) fn of(names: &[&str]) -> Value {
    let all = of_replies();
    let mut headers = Map::new();
    for name in names {
        let (name, is_certain) = match name.strip_suffix('?') {
            Some(name) => (name, false),
            None => (*name, true),
        };
        let mut header = all[name].clone();
        if is_certain {
            header["required"] = true.into();
        }
        headers.insert(name.to_owned(), header);
    }
    headers.into()
}

/// The headers of requests that several calls take.
pub(crate) fn of_requests() -> Value {
    let header = |name: &str, about: &str, schema: Value| json!({"name": name, "in": "header", "description": about, "schema": schema});
    json!({
        "RequestId": header("x-request-id", "An id for the request: 1 to 128 visible ASCII characters. Made up if it is absent.", json!({"type": "string", "pattern": "^[!-~]{1,128}$"})),
        "Traceparent": header("traceparent", "The trace that the request belongs to, as W3C Trace Context has it. Passed on to services and events.", json!({"type": "string", "pattern": "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$"})),
        "IfMatch": header("If-Match", "The revision that the series has to be at, as an `ETag`, or `*`: 412 if it is at another.", json!({"type": "string"})),
        "IfNoneMatch": header("If-None-Match", "The revision that the client knows, as an `ETag`: 304 if the series is still at it.", json!({"type": "string"})),
        "IdempotencyKey": header("Idempotency-Key", "A name that the client makes up for this request, such as a UUID. For a day, the same key and body make no further version and get the first reply.", json!({"type": "string", "pattern": "^[!-~]{1,255}$"})),
        "LastEventId": header("Last-Event-ID", "The `id` of the last event that the client has: anomalies that it has missed come first.", json!({"type": "string"})),
        "JsonLength": header("Inference-Header-Content-Length", "How many bytes of the body are JSON; tensors in binary follow.", json!({"type": "integer", "minimum": 0})),
    })
}

/// The headers that `call` takes.
pub(crate) fn taken_by(call: &Call, examples: &[&Example]) -> Vec<Value> {
    let At::Row(name) = call.at else {
        return Vec::new();
    };
    let endpoint = name.endpoint();
    let mut names = Vec::new();
    if problems::is_conditional(endpoint) {
        names.push("IfMatch");
        if endpoint.method == Method::Get && name != EndpointName::ExportModel {
            names.push("IfNoneMatch");
        }
    }
    match name {
        EndpointName::Fit | EndpointName::ImportModel => names.push("IdempotencyKey"),
        EndpointName::Events => names.push("LastEventId"),
        EndpointName::Infer | EndpointName::InferVersion => names.push("JsonLength"),
        _ => {}
    }
    let all = of_requests();
    let own = names.into_iter().map(|name| {
        let mut parameter = all[name].clone();
        let header = parameter["name"].as_str().unwrap_or_default().to_owned();
        if let Some(value) = examples
            .iter()
            .find_map(|example| example.in_headers(&header))
        {
            parameter["example"] = value.clone();
        }
        parameter
    });
    let common = OF_ALL.map(|name| json!({"$ref": format!("#/components/parameters/{name}")}));
    own.chain(common).collect()
}

/// The parameter `name` of the path of the call `at`.
pub(crate) fn in_path(name: &str, at: At) -> Value {
    let reference = |schema: &str| json!({"$ref": format!("#/components/schemas/{schema}")});
    let is_azure = at == At::Row(EndpointName::AzureDetect);
    let is_inference = matches!(at, At::Row(name) if name.error_form() == ErrorForm::OpenInference);
    let (about, schema) = match name {
        "series_id" => ("The series, percent-encoded.", reference("SeriesId")),
        "version" if is_azure => (
            "The version of the API.",
            json!({"type": "string", "enum": ["v1.0", "v1.1", "v1.1-preview.1"]}),
        ),
        "task" => (
            "What is asked for.",
            json!({"type": "string", "enum": AzureTask::ALL.iter().map(|task| task.as_str()).collect::<Vec<_>>()}),
        ),
        "version" if is_inference => ("`v3`, `3` or an alias.", json!({"type": "string"})),
        "version" => ("A version or an alias.", reference("VersionRef")),
        "alias" => ("The name of the alias.", reference("AliasName")),
        "anomaly_id" => ("The anomaly.", reference("AnomalyId")),
        "incident_id" => ("The incident.", reference("IncidentId")),
        "silence_id" => ("The silence.", reference("IncidentId")),
        other => panic!("the parameter {other} is not described"),
    };
    json!({"name": name, "in": "path", "required": true, "description": about, "schema": schema})
}

/// The ways in which a key is sent.
pub(crate) fn keys() -> Value {
    json!({
        "bearer": {"type": "http", "scheme": "bearer", "description": "An API key: `Authorization: Bearer KEY`."},
        "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same in a header of its own."},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "anomaly_key", "description": "The same in the cookie that `POST /v1/session` sets, for web pages."},
        "azure": {"type": "apiKey", "in": "header", "name": "Ocp-Apim-Subscription-Key", "description": "The same as clients of Azure send it."},
    })
}

/// What a call needs: nothing where the platform has no keys, else a key with its scope.
pub(crate) fn security(endpoint: &Endpoint) -> Value {
    let scope = [endpoint.scope.as_str()];
    let mut ways = vec![
        json!({}),
        json!({"bearer": scope}),
        json!({"key": scope}),
        json!({"cookie": scope}),
    ];
    if endpoint.name == EndpointName::AzureDetect {
        ways.push(json!({"azure": scope}));
    }
    ways.into()
}
