//! A collector of traces: takes what programs export by OTLP over HTTP.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::Context;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value,
    resource::v1::Resource, trace::v1::ResourceSpans,
};
use prost::Message;

/// A span that arrived. Ids are in hexadecimal.
#[derive(Clone, Debug)]
pub struct Received {
    /// The name of the program.
    pub service: String,
    /// What was done.
    pub name: String,
    /// The trace.
    pub trace: String,
    /// The id of the span.
    pub id: String,
    /// The id of the span that caused it; empty if none did.
    pub parent: String,
}

/// A collector that listens until the process ends.
pub struct Collector {
    endpoint: String,
    spans: Arc<Mutex<Vec<Received>>>,
}

impl Collector {
    /// Starts one on a free port.
    ///
    /// # Errors
    /// When there is none.
    pub fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let spans = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&spans);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                match receive(&stream) {
                    Ok(new) => all
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend(new),
                    Err(error) => eprintln!("not a request with traces: {error:#}"),
                }
            }
        });
        Ok(Self { endpoint, spans })
    }

    /// The address for `OTEL_EXPORTER_OTLP_ENDPOINT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The spans of `trace` that have arrived, in the order in which they did.
    pub fn trace(&self, trace: &str) -> Vec<Received> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        let of_trace = spans.iter().filter(|span| span.trace == trace);
        of_trace.cloned().collect()
    }
}

/// The spans in the only request of a connection, which is answered.
fn receive(mut stream: &TcpStream) -> anyhow::Result<Vec<Received>> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    anyhow::ensure!(reader.read_line(&mut line)? > 0, "nothing was sent");
    anyhow::ensure!(line.starts_with("POST /v1/traces "), "{line}");
    while !line.trim().is_empty() {
        line.clear();
        reader.read_line(&mut line)?;
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request = ExportTraceServiceRequest::decode(&*body).context("not protobuf")?;
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")?;
    Ok(request.resource_spans.iter().flat_map(spans).collect())
}

fn spans(of: &ResourceSpans) -> Vec<Received> {
    let service = of.resource.as_ref().and_then(service).unwrap_or_default();
    let spans = of.scope_spans.iter().flat_map(|scope| &scope.spans);
    let received = spans.map(|span| Received {
        service: service.clone(),
        name: span.name.clone(),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
    });
    received.collect()
}

fn service(resource: &Resource) -> Option<String> {
    let mut attributes = resource.attributes.iter();
    let name = attributes.find(|attribute| attribute.key == "service.name")?;
    match name.value.as_ref()?.value.as_ref()? {
        Value::StringValue(name) => Some(name.clone()),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
