//! Traces of requests: one span for each service that a request passes, over HTTP and over Kafka,
//! exported by OTLP.
//!
//! A span travels as a W3C `traceparent`, in a header of a request or of a record. Without the
//! feature `otlp`, and without an endpoint, there are no spans: a `traceparent` is then passed on as
//! it came.

#[cfg(feature = "otlp")]
mod client;
#[cfg(feature = "otlp")]
mod recorded;
#[cfg(not(feature = "otlp"))]
mod unrecorded;

#[cfg(feature = "otlp")]
use recorded as spans;
#[cfg(not(feature = "otlp"))]
use unrecorded as spans;

/// Whether this program was built with what exports spans.
pub const IS_BUILT_IN: bool = cfg!(feature = "otlp");

/// The side of a service that a span is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A request is answered.
    Server,
    /// Messages are published.
    Producer,
    /// A message is handled.
    Consumer,
}

/// A piece of work on a request. It ends when this is dropped.
#[derive(Default)]
pub struct Span(spans::Span);

impl Span {
    /// Begins a span in the trace of `parent`, a `traceparent`, or in a new trace. `name` is the same
    /// for all work of a sort. Nothing begins, and `name` is not asked, unless spans are exported.
    pub fn start(kind: Kind, name: impl FnOnce() -> String, parent: Option<&str>) -> Self {
        Self(spans::Span::start(kind, name, parent))
    }

    /// The `traceparent` for what this work causes; `None` if there is no span.
    pub fn traceparent(&self) -> Option<String> {
        self.0.traceparent()
    }

    /// Notes the status of the reply, and that the work failed if that is 500 or more.
    pub fn answered(&mut self, status: u16) {
        self.0.answered(status);
    }

    /// Notes that the work failed.
    pub fn fail(&mut self) {
        self.0.fail();
    }
}

/// Whether spans are exported.
pub fn is_on() -> bool {
    spans::is_on()
}

/// Exports spans of `service` to the OTLP receiver at `endpoint`, over HTTP, from now on:
/// `http://collector:4318` for one that has its traces at `/v1/traces`. The other settings of
/// OpenTelemetry are read from the environment: headers, sampler, batches, attributes.
///
/// # Errors
/// When the endpoint is no URL, or spans are exported already.
pub fn export(endpoint: &str, service: String) -> anyhow::Result<()> {
    spans::export(endpoint, service)
}

/// Exports the spans that have ended, and stops. Waits for a few seconds at most.
pub fn stop() {
    spans::stop();
}
