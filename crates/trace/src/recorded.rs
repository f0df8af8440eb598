//! Spans that are exported, once [`export`] has said where to.

use std::{sync::OnceLock, time::Duration};

use anyhow::Context as _;
use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{
        Span as _, SpanContext, SpanKind, Status, TraceContextExt as _, TraceState, Tracer as _,
        TracerProvider as _,
    },
};
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider},
};

use crate::{Kind, client::Client};

/// How long the end of a program waits for its last spans.
const STOP_WITHIN: Duration = Duration::from_secs(3);

static EXPORT: OnceLock<Export> = OnceLock::new();

struct Export {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

#[derive(Default)]
pub(crate) struct Span(Option<opentelemetry_sdk::trace::Span>);

impl Span {
    pub(crate) fn start(kind: Kind, name: impl FnOnce() -> String, parent: Option<&str>) -> Self {
        let Some(Export { tracer, .. }) = EXPORT.get() else {
            return Self(None);
        };
        let kind = match kind {
            Kind::Server => SpanKind::Server,
            Kind::Producer => SpanKind::Producer,
            Kind::Consumer => SpanKind::Consumer,
        };
        let builder = tracer.span_builder(name()).with_kind(kind);
        let parent = match parent.and_then(read) {
            Some(parent) => Context::new().with_remote_span_context(parent),
            None => Context::new(),
        };
        Self(Some(tracer.build_with_context(builder, &parent)))
    }

    pub(crate) fn traceparent(&self) -> Option<String> {
        let span = self.0.as_ref()?.span_context();
        Some(format!(
            "00-{}-{}-{:02x}",
            span.trace_id(),
            span.span_id(),
            span.trace_flags().to_u8()
        ))
    }

    pub(crate) fn answered(&mut self, status: u16) {
        if let Some(span) = &mut self.0 {
            let status = i64::from(status);
            span.set_attribute(KeyValue::new("http.response.status_code", status));
            if status >= 500 {
                self.fail();
            }
        }
    }

    pub(crate) fn fail(&mut self) {
        if let Some(span) = &mut self.0 {
            span.set_status(Status::error(""));
        }
    }
}

/// The span that `traceparent` names, if that is version 00 of a W3C trace context.
fn read(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-');
    let (Some("00"), Some(trace), Some(span), Some(flags), None) = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    ) else {
        return None;
    };
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        TraceFlags::new(u8::from_str_radix(flags, 16).ok()?),
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

pub(crate) fn is_on() -> bool {
    EXPORT.get().is_some()
}

pub(crate) fn export(endpoint: &str, service: String) -> anyhow::Result<()> {
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(Client::new())
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .context("cannot export traces")?;
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build();
    let tracer = provider.tracer("anomaly");
    let begun = EXPORT.set(Export { provider, tracer });
    begun.map_err(|_| anyhow::anyhow!("traces are exported already"))
}

pub(crate) fn stop() {
    if let Some(Export { provider, .. }) = EXPORT.get() {
        // A receiver that is away has lost its spans; there is nobody to tell but the log's reader.
        let _ = provider.shutdown_with_timeout(STOP_WITHIN);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_traceparent_is_read_or_left_alone() {
        let whole = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let span = read(whole).expect("it is one");
        assert!(span.is_sampled() && span.is_remote());
        assert_eq!(
            span.trace_id().to_string(),
            "4bf92f3577b34da6a3ce929d0e0e4736"
        );
        let zeros = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        for wrong in ["", "00", "00-0-0-00", zeros, &format!("{whole}-x")] {
            assert!(read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn nothing_is_traced_before_it_is_said_where_to() {
        let span = Span::start(Kind::Server, || panic!("nobody asks for a name"), None);
        assert_eq!(span.traceparent(), None);
    }
}
