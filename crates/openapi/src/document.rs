//! The document as a whole.

use std::collections::BTreeMap;

use contract::{
    Endpoint, EndpointName, Problem, ProblemCode,
    endpoint::{Body, ErrorForm},
};
use serde_json::{Map, Value, json};

use crate::{
    calls::{At, Call, Content, GROUPS, Group, Reply},
    examples::{self, Example},
    headers, problems, schemas,
    texts::with_constants,
};

/// The document, as it is committed.
pub(crate) fn text() -> String {
    let mut text = serde_json::to_string_pretty(&whole()).expect("a JSON value is written as JSON");
    text.push('\n');
    text
}

fn whole() -> Value {
    let schemas = schemas::all();
    let writer = Writer {
        examples: examples::all(),
        meanings: meanings(&schemas["ProblemCode"]),
    };
    let mut paths = Map::<String, Value>::new();
    for (tag, _, calls) in GROUPS {
        for call in calls {
            let (method, path) = call.place();
            let operation = writer.operation(tag, call);
            let at = paths.entry(path).or_insert_with(|| json!({}));
            at[method.to_lowercase()] = operation;
        }
    }
    let responses = share_responses(&mut paths);
    let tag = |(name, about, calls): &Group| {
        let ids: Vec<String> = calls.iter().map(operation_id).collect();
        json!({"name": name, "description": about, "x-calls": ids})
    };
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Anomaly",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": include_str!("introduction.md").trim_end(),
        },
        "servers": [{"url": "/"}],
        "tags": GROUPS.iter().map(tag).collect::<Vec<_>>(),
        "paths": paths,
        "webhooks": {"incident": webhook()},
        "components": {
            "schemas": schemas,
            "headers": headers::of_replies(),
            "responses": responses,
            "parameters": headers::of_requests(),
            "securitySchemes": headers::keys(),
        },
    })
}

/// Moves refusals that several calls have in the same form to where all can refer to them, and
/// returns them by their names.
fn share_responses(paths: &mut Map<String, Value>) -> Map<String, Value> {
    let mut counts = BTreeMap::<String, usize>::new();
    each_refusal(paths, |_, refusal| {
        *counts.entry(refusal.to_string()).or_default() += 1
    });
    let mut shared = Map::new();
    let mut names = BTreeMap::<String, String>::new();
    each_refusal(paths, |status, refusal| {
        let text = refusal.to_string();
        if counts[&text] == 1 {
            return;
        }
        let name = names.entry(text).or_insert_with(|| {
            let others = shared
                .keys()
                .filter(|name: &&String| name.starts_with(status))
                .count();
            let name = format!("{status}-{}", others + 1);
            shared.insert(name.clone(), refusal.clone());
            name
        });
        *refusal = json!({"$ref": format!("#/components/responses/{name}")});
    });
    shared
}

/// Calls `act` with the status and the form of every refusal.
fn each_refusal(paths: &mut Map<String, Value>, mut act: impl FnMut(&str, &mut Value)) {
    let items = paths.values_mut().filter_map(Value::as_object_mut);
    for operation in items.flat_map(|item| item.values_mut()) {
        let responses = operation["responses"].as_object_mut().into_iter().flatten();
        for (status, response) in responses.filter(|(status, _)| status.as_str() >= "4") {
            act(status, response);
        }
    }
}

/// What each problem code means.
fn meanings(codes: &Value) -> BTreeMap<String, String> {
    let words = codes["oneOf"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    words
        .map(|word| (text(&word["const"]), text(&word["description"])))
        .collect()
}

fn webhook() -> Value {
    json!({"post": {
        "summary": "Told of an incident",
        "description": "What `WEBHOOK_URL` is sent, as Standard Webhooks 1.0 has it, with the headers `webhook-id`, `webhook-timestamp` and `webhook-signature`. It is sent again for a day until a 2xx, or 410, which ends it.",
        "requestBody": {"required": true, "content": {"application/json": {
            "schema": {"$ref": "#/components/schemas/IncidentNotification"},
        }}},
        "responses": {
            "2XX": {"description": "It is taken."},
            "410": {"description": "It is not wanted, and not sent again."},
        },
    }})
}

impl Call {
    fn endpoint(&self) -> Option<&'static Endpoint> {
        match self.at {
            At::Row(name) => Some(name.endpoint()),
            At::Open(_) => None,
        }
    }

    /// Its method and path.
    fn place(&self) -> (&'static str, String) {
        match self.at {
            At::Row(name) => (
                name.endpoint().method.as_str(),
                name.endpoint().path.to_owned(),
            ),
            At::Open(path) => ("GET", path.to_owned()),
        }
    }
}

/// Writes operations.
struct Writer {
    examples: Vec<Example>,
    /// What each problem code means.
    meanings: BTreeMap<String, String>,
}

impl Writer {
    fn operation(&self, tag: &str, call: &Call) -> Value {
        let endpoint = call.endpoint();
        let examples = self.examples_of(call);
        let mut operation = json!({
            "operationId": operation_id(call),
            "tags": [tag],
            "summary": call.summary,
            "parameters": parameters(call, &examples),
            "responses": self.responses(call, &examples),
            "security": endpoint.map_or_else(|| json!([]), headers::security),
        });
        let about = about(call);
        if !about.is_empty() {
            operation["description"] = about.into();
        }
        if !call.body.is_empty() {
            operation["requestBody"] = request_body(call, &examples);
        }
        let outlines: Vec<Value> = examples.iter().map(|example| example.outline()).collect();
        if !outlines.is_empty() {
            operation["x-examples"] = outlines.into();
        }
        operation
    }

    fn examples_of(&self, call: &Call) -> Vec<&Example> {
        let (method, path) = call.place();
        let wanted = format!("{method} {path}");
        self.examples
            .iter()
            .filter(|example| example.call() == wanted)
            .collect()
    }

    fn responses(&self, call: &Call, examples: &[&Example]) -> Value {
        let mut responses = Map::new();
        for reply in call.replies {
            responses.insert(reply.status.to_string(), success(reply, examples));
        }
        for (status, codes) in problems::of(call, call.endpoint()) {
            responses.insert(
                status.to_string(),
                self.refusal(call, status, &codes, examples),
            );
        }
        responses.into()
    }

    /// The reply with `status` that has one of `codes`.
    fn refusal(
        &self,
        call: &Call,
        status: u16,
        codes: &[ProblemCode],
        examples: &[&Example],
    ) -> Value {
        let line = |code: &ProblemCode| format!("- `{code}`: {}", self.meanings[code.as_str()]);
        let words: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
        let problem = json!({"allOf": [
            {"$ref": "#/components/schemas/Problem"},
            {"properties": {"code": {"enum": words}, "status": {"const": status}}},
        ]});
        let mut content = json!({(Problem::CONTENT_TYPE): {"schema": problem}});
        let form = match call.at {
            At::Row(name) => name.error_form(),
            At::Open(_) => ErrorForm::Problem,
        };
        let own = match form {
            ErrorForm::Problem
                if status == 503 && call.at != At::Open("/docs") && call.endpoint().is_none() =>
            {
                Some("Readiness")
            }
            ErrorForm::Problem => None,
            ErrorForm::Azure if status == 401 => Some("AzureUnauthorized"),
            ErrorForm::Azure => Some("AzureError"),
            ErrorForm::OpenInference => Some("OpenInferenceError"),
        };
        if let Some(own) = own {
            content["application/json"] = json!({"schema": reference(own)});
        }
        add_replies(&mut content, status, examples);
        let mut response = json!({
            "description": codes.iter().map(line).collect::<Vec<_>>().join("\n"),
            "content": content,
            "headers": headers::of(&["x-request-id"]),
        });
        let more: &[&str] = match status {
            401 => &["www-authenticate?"],
            412 => &["etag?"],
            429 | 503 => &["retry-after?", "retry-after-ms?"],
            _ => &[],
        };
        merge(&mut response["headers"], headers::of(more));
        if form == ErrorForm::Azure {
            merge(&mut response["headers"], headers::of(&["x-ms-error-code?"]));
        }
        response
    }
}

fn operation_id(call: &Call) -> String {
    match call.at {
        At::Row(name) => {
            let name = format!("{name:?}");
            name[..1].to_lowercase() + &name[1..]
        }
        At::Open("/") => "about".to_owned(),
        At::Open(path) => path.trim_start_matches('/').replace(['/', '.'], "_"),
    }
}

/// What there is to know of a call: what is said of it, its limit and its scope.
fn about(call: &Call) -> String {
    let mut parts = vec![with_constants(call.about)];
    if let Some(endpoint) = call.endpoint() {
        if !call.body.is_empty() {
            parts.push(match endpoint.body {
                Body::Whole { max } | Body::Streamed { max: Some(max) } => {
                    format!("The body has at most {}.", bytes(max))
                }
                Body::Streamed { max: None } => "The body has at most 64 MiB (`MAX_BODY_BYTES`) \
                                                 and 8,000,000 numbers."
                    .to_owned(),
                Body::Empty => String::new(),
            });
        }
        parts.push(format!("A key needs the scope `{}`.", endpoint.scope));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

fn bytes(n: usize) -> String {
    match n {
        n if n.is_multiple_of(1 << 20) => format!("{} MiB", n >> 20),
        n => format!("{} KiB", n >> 10),
    }
}

fn parameters(call: &Call, examples: &[&Example]) -> Value {
    let mut list = Vec::new();
    let (_, path) = call.place();
    for name in path
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
    {
        let mut parameter = headers::in_path(name, call.at);
        if let Some(value) = examples.iter().find_map(|example| example.in_path(name)) {
            parameter["example"] = value.clone();
        }
        list.push(parameter);
    }
    for parameter in call.query {
        let text = with_constants(parameter.schema);
        let schema: Value = serde_json::from_str(&text).expect("the schema of a parameter is JSON");
        let mut written = json!({
            "name": parameter.name,
            "in": "query",
            "description": with_constants(parameter.about),
            "schema": schema,
        });
        if parameter.about.ends_with("Required.") {
            written["required"] = true.into();
        }
        if let Some(text) = examples
            .iter()
            .find_map(|example| example.in_query(parameter.name))
        {
            let is_number = written["schema"]["type"] == "integer" || text.parse::<i64>().is_ok();
            written["example"] = match text.parse::<i64>() {
                Ok(number) if is_number => number.into(),
                _ => text.into(),
            };
        }
        list.push(written);
    }
    list.extend(headers::taken_by(call, examples));
    list.into()
}

fn request_body(call: &Call, examples: &[&Example]) -> Value {
    let mut content = json!({});
    for body in call.body {
        content[body.media] = media(body);
        let shown = examples
            .iter()
            .filter_map(|example| Some(example.shown(example.body()?)));
        let shown: Map<String, Value> = shown.collect();
        if !shown.is_empty() {
            content[body.media]["examples"] = shown.into();
        }
    }
    let may_be_empty = matches!(
        call.at,
        At::Row(EndpointName::RollBack | EndpointName::RestartStream | EndpointName::SetStream)
    );
    json!({"required": !may_be_empty, "content": content})
}

fn media(body: &Content) -> Value {
    let schema = match (body.schemas, body.media) {
        ([], "application/json") => json!({"type": "object"}),
        ([], _) => json!({"type": "string"}),
        (_, "application/x-ndjson") => json!({
            "type": "string",
            "description": format!("One `{}` a line.", body.schemas.join("` or `")),
        }),
        ([only], _) => reference(only),
        (several, _) => {
            json!({"anyOf": several.iter().map(|name| reference(name)).collect::<Vec<_>>()})
        }
    };
    json!({"schema": schema})
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn success(reply: &Reply, examples: &[&Example]) -> Value {
    let mut response = json!({
        "description": with_constants(reply.about),
        "headers": headers::of(&["x-request-id"]),
    });
    merge(&mut response["headers"], headers::of(reply.headers));
    if !reply.content.is_empty() {
        let mut content = json!({});
        for body in reply.content {
            content[body.media] = media(body);
        }
        add_replies(&mut content, reply.status, examples);
        response["content"] = content;
    }
    response
}

/// Adds the replies of `examples` with `status` to their media types in `content`.
fn add_replies(content: &mut Value, status: u16, examples: &[&Example]) {
    for example in examples
        .iter()
        .filter(|example| example.status() == u64::from(status))
    {
        if let Some(value) = example.reply() {
            let (key, shown) = example.shown(value);
            content[example.media()]["examples"][key] = shown;
        }
    }
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use contract::{ENDPOINTS, endpoint::Method, header};

    use super::*;

    #[test]
    fn the_committed_document_is_the_printed_one() {
        let is_committed = include_str!("../openapi.json") == text();
        assert!(is_committed, "cargo run -p openapi");
    }

    #[test]
    fn every_call_is_described_once_with_an_example() {
        let rows: Vec<At> = ENDPOINTS.iter().map(|row| At::Row(row.name)).collect();
        let calls: Vec<&Call> = GROUPS.iter().flat_map(|(_, _, calls)| *calls).collect();
        for row in &rows {
            assert_eq!(
                calls.iter().filter(|call| call.at == *row).count(),
                1,
                "{row:?}"
            );
        }
        let shown: BTreeSet<String> = examples::all()
            .iter()
            .map(|e| e.call().to_owned())
            .collect();
        for call in calls.iter().filter(|call| call.endpoint().is_some()) {
            let (method, path) = call.place();
            assert!(
                shown.contains(&format!("{method} {path}")),
                "{method} {path}"
            );
        }
    }

    /// Both ways: the table has what the document says, and the document what the table says.
    #[test]
    fn routes_methods_and_scopes_are_those_of_the_table() {
        let document = whole();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("methods") {
                let scope = operation["security"][1]["bearer"][0]
                    .as_str()
                    .unwrap_or_default();
                described.insert((method.to_uppercase(), path.clone(), scope.to_owned()));
            }
        }
        let is_open = |scope: &str| scope.is_empty();
        described.retain(|(_, _, scope)| !is_open(scope));
        let row = |row: &Endpoint| {
            (
                row.method.as_str().to_owned(),
                row.path.to_owned(),
                row.scope.to_string(),
            )
        };
        assert_eq!(described, ENDPOINTS.iter().map(row).collect());
    }

    #[test]
    fn a_body_is_described_exactly_where_one_is_read() {
        // Those take a body for the sake of clients that send one, and do not look at it.
        let ignored =
            |row: &Endpoint| row.method == Method::Delete || row.name == EndpointName::TestAlerts;
        for (_, _, calls) in GROUPS {
            for call in calls {
                let Some(row) = call.endpoint() else { continue };
                let takes = row.body != Body::Empty && !ignored(row);
                assert_eq!(takes, !call.body.is_empty(), "{:?}", row.name);
            }
        }
    }

    #[test]
    fn every_problem_code_of_clients_belongs_to_a_call() {
        // Between services, of the server before it knows the call, and of other methods.
        let elsewhere = ["service_token_required", "not_cached", "method_not_allowed"];
        let text = text();
        for code in ProblemCode::ALL
            .iter()
            .filter(|code| !elsewhere.contains(&code.as_str()))
        {
            assert!(text.contains(&format!("- `{code}`: ")), "{code}");
        }
    }

    #[test]
    fn all_references_lead_somewhere() {
        let document = whole();
        let text = document.to_string();
        for rest in text.split("\"$ref\":\"#").skip(1) {
            let (pointer, _) = rest.split_once('"').expect("a closing quote");
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
    }

    #[test]
    fn the_headers_of_the_contract_are_described() {
        let text = text().to_lowercase();
        for name in [
            header::REQUEST_ID,
            header::TRACEPARENT,
            header::RETRY_AFTER_MS,
            header::IDEMPOTENCY_KEY,
            header::SERIES_REVISION,
            header::MODEL_VERSION,
            header::API_KEY,
        ] {
            assert!(text.contains(&format!("\"{name}\"")), "{name}");
        }
    }
}
