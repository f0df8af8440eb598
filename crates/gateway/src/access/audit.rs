//! The audit log: who changed what, and who was refused. Predictions and reads leave no line.
//!
//! Texts of clients are fields that the log quotes and escapes, so that no client can write a line
//! or a field of its own.

use std::net::IpAddr;

use axum::response::Response;
use contract::{Endpoint, header};
use http::HeaderMap;

use super::Caller;
use crate::throttle::Throttle;

/// Refusals may be many: whoever has no key must not fill the disk.
static REFUSALS: Throttle = Throttle::new();

/// The target of all lines, which has a level of its own in `LOG_LEVEL`.
const TARGET: &str = "audit";

/// Stands for what is not there.
const NONE: &str = "-";

/// What a request asks for, as its line in the log says.
pub(crate) struct Asked {
    endpoint: &'static Endpoint,
    client: Option<IpAddr>,
    series: String,
    version: String,
    alias: String,
    request_id: String,
}

/// A change that is under way. It is logged with its outcome, or without one if the client leaves
/// before: it may then have been made.
pub(crate) struct Change {
    asked: Asked,
    key: String,
    holder: String,
    /// The status, once it is known.
    status: u16,
}

impl Asked {
    /// What a request for `endpoint` with this `path` asks for.
    pub(super) fn of(
        endpoint: &'static Endpoint,
        path: &str,
        series: Option<&str>,
        client: Option<IpAddr>,
        request_id: &str,
    ) -> Self {
        let named = |name: &str| endpoint.parameter_in(name, path).unwrap_or(NONE).to_owned();
        Self {
            endpoint,
            client,
            series: series.unwrap_or(NONE).to_owned(),
            version: named("{version}"),
            alias: named("{alias}"),
            request_id: request_id.to_owned(),
        }
    }

    /// Logs that it was refused with `status`, because of `reason`.
    pub(super) fn refused(&self, key: &str, status: u16, reason: &str) {
        let Some(left_out) = REFUSALS.pass() else {
            return;
        };
        tracing::info!(
            target: TARGET,
            key,
            client = self.client.map(tracing::field::display),
            method = self.endpoint.method.as_str(),
            route = self.endpoint.path,
            series = &*self.series,
            status,
            reason,
            request_id = &*self.request_id,
            left_out,
            "refused"
        );
    }
}

impl Change {
    pub(super) fn begun(asked: Asked, caller: &Caller) -> Self {
        let key = caller.key.as_ref();
        let text = |text: Option<&str>| text.unwrap_or(NONE).to_owned();
        Self {
            asked,
            key: text(key.map(|key| key.id.as_str())),
            holder: text(key.map(|key| key.holder.as_str())),
            status: 0,
        }
    }

    /// It is answered like this.
    pub(crate) fn answered(mut self, response: &Response) {
        self.status = response.status().as_u16();
        if let Some(version) = text(response.headers(), header::MODEL_VERSION) {
            self.asked.version = version.to_owned();
        }
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        let Asked {
            endpoint,
            client,
            series,
            version,
            alias,
            request_id,
        } = &self.asked;
        tracing::info!(
            target: TARGET,
            key = &*self.key,
            holder = &*self.holder,
            client = client.map(tracing::field::display),
            method = endpoint.method.as_str(),
            route = endpoint.path,
            series = &**series,
            version = &**version,
            alias = &**alias,
            status = self.status,
            request_id = &**request_id,
            "change"
        );
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
