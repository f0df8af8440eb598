//! No spans.

use crate::Kind;

#[derive(Default)]
pub(crate) struct Span;

impl Span {
    pub(crate) fn start(_: Kind, _: impl FnOnce() -> String, _: Option<&str>) -> Self {
        Self
    }

    pub(crate) fn traceparent(&self) -> Option<String> {
        None
    }

    pub(crate) fn answered(&mut self, _: u16) {}

    pub(crate) fn fail(&mut self) {}
}

pub(crate) fn is_on() -> bool {
    false
}

pub(crate) fn export(_: &str, _: String) -> anyhow::Result<()> {
    anyhow::bail!("this program was built without the feature otlp")
}

pub(crate) fn stop() {}
