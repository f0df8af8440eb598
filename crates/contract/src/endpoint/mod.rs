//! The HTTP API as one table: every call that clients can make, and everything that the services
//! have to know about it but its handler.
//!
//! The gateway's router, its limits, its forwarding and the labels of its metrics are made from
//! [`ENDPOINTS`], and so are the routers of trainer and predictor.
//!
//! # Adding a call
//!
//! 1. Add a name to [`EndpointName`] and a row to [`ENDPOINTS`], in the same position.
//! 2. Add its handler to the router of the service that owns it, which does not start without one.
//! 3. The gateway forwards it. Only a call that needs more than a row can say gets a function of
//!    its own there, as a prediction has one.
//!
//! Liveness and readiness (`/livez`, `/readyz`) are not in the table: every process answers them
//! for itself.

mod name;
mod table;

pub use name::{EndpointName, ErrorForm};
pub use table::ENDPOINTS;

use crate::verdict::words;

/// A row of the table: everything about a call but its handler.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint {
    /// The name that the routers match on.
    pub name: EndpointName,
    /// The HTTP method. A `GET` answers `HEAD` as well.
    pub method: Method,
    /// The path, with `{parameters}` as axum writes them.
    pub path: &'static str,
    /// The service that answers it.
    pub owner: Owner,
    /// The calls that it shares a limit and a timeout with.
    pub class: Class,
    /// The right that an API key needs.
    pub scope: Scope,
    /// The series that it is about, which the prefixes of an API key are held against.
    pub subject: Subject,
    /// How the gateway handles the request body, and its limit.
    pub body: Body,
    /// The backend that the gateway chooses.
    pub routing: Routing,
    /// The gateway's part in read-your-writes.
    pub revision: RevisionRule,
    /// The `route` label of the gateway's metrics. All calls about the registry share one.
    pub label: &'static str,
}

/// An HTTP method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "RFC 9110 describes them")]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    /// The method as it stands in a request.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// The service that answers a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The gateway itself.
    Gateway,
    /// The trainer.
    Trainer,
    /// The predictor.
    Predictor,
    /// The observer.
    Observer,
}

/// Calls that cost alike share a limit of requests in flight, and a timeout. Both are settings of
/// the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// One point is judged, from memory: microseconds.
    Predict,
    /// Points are appended to a log, and their verdicts waited for: milliseconds.
    Observe,
    /// A model is fitted or imported: up to seconds.
    Fit,
    /// Many points are judged: up to seconds.
    Detect,
    /// A chart is drawn: up to seconds.
    Plot,
    /// The registry is read or changed, in one or two statements of the database.
    Registry,
    /// The figures of the services are put together.
    Health,
}

words! {
    /// A right that an API key may have, and that a call needs. None implies another.
    Scope {
        /// Judges points. Nothing is kept.
        Predict = "predict",
        /// Adds models that are fitted here, chooses which one serves, and has streams learn.
        Fit = "fit",
        /// Reads what is kept: lists, models, plots, figures.
        Read = "read",
        /// Removes what is kept, or takes in models from outside.
        Admin = "admin",
    }
}

/// The series that a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The one in the path.
    Path,
    /// The one in the query, as `series_id`.
    Query,
    /// All of them: the reply has only those that the caller may see, and the request may name no
    /// others.
    All,
    /// None that is kept.
    None,
}

/// The request body of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// The call has no body; one that is sent is ignored.
    Empty,
    /// The gateway reads all of it first, at most `max` bytes. The call may then reach its service
    /// twice, so it must not change anything, or nothing more the second time.
    Whole {
        /// The longest body, in bytes.
        max: usize,
    },
    /// The gateway passes it on as it arrives. The call reaches its service at most once.
    Streamed {
        /// The longest body, in bytes, where the setting `MAX_BODY_BYTES` does not allow less.
        /// `None` means that the setting alone decides.
        max: Option<usize>,
    },
}

/// The backend that the gateway chooses among those of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routing {
    /// Each in turn: all give the same reply.
    Any,
    /// The one that owns the partition of the series in the path. Others refuse it with 421, or only
    /// append it to the log. Sending such a call again changes nothing, so it may be repeated.
    ByPartition,
}

/// The gateway's part in read-your-writes. It remembers the newest revision of each series that a
/// client has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevisionRule {
    /// The reply has to be of that revision or a later one.
    Require,
    /// The reply may carry a newer revision, which the gateway remembers.
    Note,
    /// Revisions do not matter.
    None,
}

impl Endpoint {
    /// The path up to its first parameter.
    pub fn prefix(&self) -> &'static str {
        self.path.split('{').next().unwrap_or_default()
    }

    /// Whether it changes what is kept.
    pub const fn is_change(&self) -> bool {
        matches!(self.scope, Scope::Fit | Scope::Admin)
    }

    /// Whether each call of it is worth a line in the audit log: changes are, points are not.
    pub const fn is_audited(&self) -> bool {
        let takes_points = matches!(
            self.name,
            EndpointName::Observe | EndpointName::AppendPoints | EndpointName::RemoteWrite
        );
        self.is_change() && !takes_points
    }

    /// The series that `path`, which is one of this call, names, percent-encoded. `None` if the call
    /// is not about one series.
    pub fn series_in<'a>(&self, path: &'a str) -> Option<&'a str> {
        self.parameter_in("{series_id}", path)
    }

    /// The `parameter` of this call, such as `{version}`, in `path`, percent-encoded. `None` if the
    /// call has no such parameter.
    pub fn parameter_in<'a>(&self, parameter: &str, path: &'a str) -> Option<&'a str> {
        let mut segments = self.path.split('/').zip(path.split('/'));
        let (_, value) = segments.find(|(name, _)| *name == parameter)?;
        Some(value)
    }
}

impl Body {
    /// The longest body, in bytes.
    ///
    /// # Panics
    /// When the body is empty, or limited by a setting. In a constant this is a compile error.
    pub const fn max(self) -> usize {
        match self {
            Self::Whole { max } | Self::Streamed { max: Some(max) } => max,
            Self::Empty | Self::Streamed { max: None } => panic!("the body has no fixed limit"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_found_by_its_name() {
        for (index, endpoint) in ENDPOINTS.iter().enumerate() {
            assert_eq!(endpoint.name as usize, index, "{endpoint:?}");
            assert_eq!(endpoint.name.endpoint().path, endpoint.path);
        }
        let last = ENDPOINTS.last().map(|endpoint| endpoint.name as usize);
        assert_eq!(last, Some(ENDPOINTS.len() - 1));
    }

    #[test]
    fn no_two_calls_have_the_same_method_and_path() {
        for (index, one) in ENDPOINTS.iter().enumerate() {
            let others = &ENDPOINTS[index + 1..];
            let same = |other: &&Endpoint| (one.method, one.path) == (other.method, other.path);
            assert!(others.iter().find(same).is_none(), "{one:?}");
        }
    }

    #[test]
    fn a_call_that_changes_something_reaches_its_service_at_most_once() {
        let is_repeatable = |row: &&Endpoint| row.routing == Routing::ByPartition;
        let changes = ENDPOINTS.iter().filter(|row| row.is_change());
        for endpoint in changes.filter(|row| !is_repeatable(row)) {
            assert!(
                matches!(endpoint.body, Body::Streamed { .. }),
                "{endpoint:?}"
            );
        }
    }

    #[test]
    fn rules_about_a_series_belong_to_calls_that_name_one() {
        for endpoint in ENDPOINTS {
            let needs_series =
                endpoint.routing != Routing::Any || endpoint.revision != RevisionRule::None;
            let named = endpoint.series_in(endpoint.path).is_some();
            assert!(named || !needs_series, "{endpoint:?}");
            assert_eq!(named, endpoint.subject == Subject::Path, "{endpoint:?}");
        }
    }

    #[test]
    fn the_series_and_the_prefix_are_parts_of_the_path() {
        let batch = EndpointName::Batch.endpoint();
        assert_eq!(batch.prefix(), "/predict/");
        assert_eq!(batch.series_in("/predict/a%20b/batch"), Some("a%20b"));
        let alias = EndpointName::SetAlias.endpoint();
        assert_eq!(alias.series_in("/v1/series/s/aliases/a"), Some("s"));
        assert_eq!(EndpointName::Plot.endpoint().series_in("/plot"), None);
        assert_eq!(EndpointName::RollBack.endpoint().body.max(), 4096);
    }
}
