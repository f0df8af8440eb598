//! The document of the API: every example in it is sent, in its order, and every reply is one that
//! the document describes. `UPDATE_EXAMPLES=1` writes the replies into the examples instead.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};
use testkit::{Client, Platform, Reply, eventually};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn file(name: &str) -> PathBuf {
    let crates = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    [crates, "openapi", name].iter().collect()
}

fn read(name: &str) -> anyhow::Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(file(name))?)?)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_gets_a_reply_that_is_described() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let document = closed(read("openapi.json")?);
    let mut examples = read("examples.json")?;
    let mut ids = BTreeMap::new();
    for example in examples.as_array_mut().context("a list")? {
        let about = format!("{}: {}", example["call"], example["name"]);
        let reply = answered(platform.client(), example, &ids)
            .await
            .context(about.clone())?;
        check(&document, example, &reply).context(about)?;
        for (_, value) in example["path"].as_object_mut().into_iter().flatten() {
            if let Some(id) = value.as_str().and_then(|id| ids.get(id)) {
                *value = id.clone().into();
            }
        }
        let body = shown(&reply);
        learn(&example["reply"], &body, &mut ids);
        if example.get("reply").is_some() {
            example["reply"] = body;
        }
    }
    if std::env::var_os("UPDATE_EXAMPLES").is_some() {
        // One a line.
        let lines = examples.as_array().into_iter().flatten();
        let lines: Vec<String> = lines.map(Value::to_string).collect();
        let text = format!("[\n{}\n]\n", lines.join(",\n"));
        fs::write(file("examples.json"), text)?;
    }
    platform.stop().await.map(drop)
}

/// The document with objects that have no field beyond those that it names.
fn closed(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(parts) => {
            let is_form =
                parts.contains_key("properties") && parts.get("type") == Some(&json!("object"));
            let is_whole = !parts.contains_key("oneOf") && !parts.contains_key("anyOf");
            if is_form && is_whole && !parts.contains_key("additionalProperties") {
                parts.insert("additionalProperties".to_owned(), false.into());
            }
            parts
                .values_mut()
                .for_each(|part| *part = closed(part.take()));
        }
        Value::Array(parts) => parts
            .iter_mut()
            .for_each(|part| *part = closed(part.take())),
        _ => {}
    }
    schema
}

/// The reply to `example`. What is only read is asked for until it has all that the recorded reply
/// has, since some of it is stored a moment later.
async fn answered(
    client: Client,
    example: &Value,
    ids: &BTreeMap<String, String>,
) -> anyhow::Result<Reply> {
    let request = Request::of(example, ids)?;
    if example["type"] == "text/event-stream" {
        return first_events(client, &request.target).await;
    }
    let once = async || {
        let headers: Vec<_> = request.headers.iter().map(|(k, v)| (&**k, &**v)).collect();
        let reply = client.send(
            &request.method,
            &request.target,
            &headers,
            request.body.as_deref(),
        );
        let reply = reply.await?;
        ensure!(
            example["status"] == reply.status,
            "{} {}",
            reply.status,
            reply.text()
        );
        let recorded = example.get("reply").unwrap_or(&Value::Null);
        ensure!(
            has_all_of(&shown(&reply), recorded),
            "{} instead of {recorded}",
            reply.text()
        );
        Ok(reply)
    };
    match request.method.as_str() {
        "GET" => eventually("the reply of the example", once).await,
        _ => once().await,
    }
}

/// An example as it is sent.
struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Option<Vec<u8>>,
}

impl Request {
    /// The request of `example`, with the ids that this platform has given instead of those that the
    /// recorded one had.
    fn of(example: &Value, ids: &BTreeMap<String, String>) -> anyhow::Result<Self> {
        let text = |field: &str| example[field].as_str();
        let (method, path) = text("call")
            .and_then(|call| call.split_once(' '))
            .context("call")?;
        let mut target = path.to_owned();
        for (name, value) in example["path"].as_object().into_iter().flatten() {
            let value = value.as_str().context("a text")?;
            let value = ids.get(value).map_or(value, String::as_str);
            target = target.replace(&format!("{{{name}}}"), value);
        }
        if let Some(query) = text("query") {
            target = format!("{target}?{query}");
        }
        let headers = example["headers"].as_object().into_iter().flatten();
        let headers = headers
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
        let body = match (example.get("body"), text("text"), text("base64")) {
            (Some(json), ..) => Some(json.to_string().into_bytes()),
            (_, Some(text), _) => Some(text.as_bytes().to_vec()),
            (.., Some(packed)) => Some(STANDARD.decode(packed)?),
            _ => None,
        };
        Ok(Self {
            method: method.to_owned(),
            target,
            headers: headers.collect(),
            body,
        })
    }
}

/// The beginning of a stream of events, up to the end of its first event.
async fn first_events(client: Client, target: &str) -> anyhow::Result<Reply> {
    let mut socket = TcpStream::connect(client.addr()).await?;
    let request = format!("GET {target} HTTP/1.0\r\nhost: {}\r\n\r\n", client.addr());
    socket.write_all(request.as_bytes()).await?;
    let mut received = Vec::new();
    let begun = |received: &[u8]| {
        let text = String::from_utf8_lossy(received);
        text.split_once("event: ")
            .is_some_and(|(_, event)| event.contains("\n\n"))
    };
    while !begun(&received) {
        ensure!(
            socket.read_buf(&mut received).await? > 0,
            "the stream ended"
        );
    }
    let text = String::from_utf8(received)?;
    let (head, body) = text.split_once("\r\n\r\n").context("a head")?;
    let mut lines = head.lines();
    let status = lines
        .next()
        .and_then(|line| line.split(' ').nth(1))
        .context("a status")?;
    let headers = lines.filter_map(|line| line.split_once(": "));
    Ok(Reply {
        status: status.parse()?,
        headers: headers
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
        body: body.as_bytes().to_vec(),
    })
}

/// The body of a reply as the examples have it: JSON, or text.
fn shown(reply: &Reply) -> Value {
    let media = media(reply);
    match media.ends_with("json") && media != "application/x-ndjson" {
        true => reply.json().unwrap_or_default(),
        false => reply.text().into(),
    }
}

fn media(reply: &Reply) -> &str {
    let media = reply.header("content-type").unwrap_or_default();
    media.split(';').next().unwrap_or_default()
}

/// Whether `reply` has every field of `recorded`, and entries wherever that has some.
fn has_all_of(reply: &Value, recorded: &Value) -> bool {
    match (reply, recorded) {
        (Value::Object(reply), Value::Object(recorded)) => recorded
            .iter()
            .all(|(name, value)| reply.get(name).is_some_and(|own| has_all_of(own, value))),
        (Value::Array(reply), Value::Array(recorded)) => recorded.is_empty() || !reply.is_empty(),
        _ => true,
    }
}

/// Adds the ids of `reply` that stand where `recorded` has others.
fn learn(recorded: &Value, reply: &Value, ids: &mut BTreeMap<String, String>) {
    match (recorded, reply) {
        (Value::Object(recorded), Value::Object(reply)) => {
            for (name, value) in recorded {
                learn(value, &reply[name], ids);
            }
        }
        (Value::Array(recorded), Value::Array(reply)) => {
            recorded
                .iter()
                .zip(reply)
                .for_each(|(one, other)| learn(one, other, ids));
        }
        (Value::String(recorded), Value::String(reply)) if recorded.len() == 32 => {
            ids.insert(recorded.clone(), reply.clone());
        }
        _ => {}
    }
}

/// Checks that `document` describes `reply` to `example`: its status, its type, its headers and its
/// body.
fn check(document: &Value, example: &Value, reply: &Reply) -> anyhow::Result<()> {
    let (method, path) = example["call"]
        .as_str()
        .and_then(|call| call.split_once(' '))
        .context("call")?;
    let operation = &document["paths"][path][method.to_lowercase()];
    let mut described = &operation["responses"][reply.status.to_string()];
    if let Some(shared) = described["$ref"].as_str() {
        described = document.pointer(&shared[1..]).context("a reference")?;
    }
    ensure!(described.is_object(), "{} is not described", reply.status);
    for (name, header) in described["headers"].as_object().into_iter().flatten() {
        let is_there = reply.header(name).is_some();
        ensure!(is_there || header["required"] != true, "there is no {name}");
    }
    if reply.body.is_empty() {
        return Ok(());
    }
    let schema = &described["content"][media(reply)]["schema"];
    ensure!(schema.is_object(), "{} is not described", media(reply));
    valid(document, schema, &shown(reply))
}

/// Checks `body` against `schema`, whose references are those of `document`.
fn valid(document: &Value, schema: &Value, body: &Value) -> anyhow::Result<()> {
    let mut root = Map::new();
    root.insert("allOf".to_owned(), json!([schema]));
    root.insert("components".to_owned(), document["components"].clone());
    let validator = jsonschema::draft202012::options()
        .build(&root.into())
        .map_err(|why| anyhow::anyhow!("the schema: {why}"))?;
    let faults: Vec<String> = validator
        .iter_errors(body)
        .map(|fault| format!("{} at {}", fault, fault.instance_path()))
        .collect();
    ensure!(faults.is_empty(), "{faults:#?} in {body}");
    Ok(())
}

#[tokio::test]
async fn a_platform_without_the_dashboard_serves_the_document_and_no_page() -> anyhow::Result<()> {
    let platform = Platform::start_with(&["--dashboard", "false"]).await?;
    let client = platform.client();
    let document: Value = client.get("/openapi.json").await?.ok()?;
    assert!(document == read("openapi.json")?);
    assert_eq!(client.get("/docs").await?.problem()?.code, "not_found");
    platform.stop().await.map(drop)
}
