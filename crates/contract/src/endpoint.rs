//! The HTTP API as one table: every call that clients can make, and everything that the services
//! have to know about it but its handler.
//!
//! The gateway's router, its limits, its forwarding and the labels of its metrics are made from
//! [`ENDPOINTS`], and so are the routers of trainer and predictor.
//!
//! # Adding a call
//!
//! 1. Add a name to [`EndpointName`] and a row to [`ENDPOINTS`], in the same position.
//! 2. The compiler now asks the routers of trainer and predictor for its handler, or for the
//!    statement that another service owns it.
//! 3. The gateway forwards it. Only a call that needs more than a row can say gets a function of
//!    its own there, as a prediction has one.
//!
//! Liveness and readiness (`/livez`, `/readyz`) are not in the table: every process answers them
//! for itself.

use crate::verdict::words;

/// The name of a call, which is also the index of its row in [`ENDPOINTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndpointName {
    /// Fits a model to the points in the body and makes it the next version of the series.
    Fit,
    /// Judges one point.
    Predict,
    /// Judges many points by a model that is kept.
    Batch,
    /// Fits and judges a series that is not kept.
    Detect,
    /// Draws a model with its training points.
    Plot,
    /// Fits, judges and draws a series that is not kept.
    DetectPlot,
    /// Lists the series.
    ListSeries,
    /// Shows a series with its aliases.
    ShowSeries,
    /// Deletes a series with all its models.
    DeleteSeries,
    /// Lists the models of a series.
    ListModels,
    /// Takes in a model that was exported elsewhere.
    ImportModel,
    /// Shows a model.
    ShowModel,
    /// Deletes a model.
    DeleteModel,
    /// Exports a model as a file.
    ExportModel,
    /// Shows which version an alias names.
    ShowAlias,
    /// Lets an alias name a version.
    SetAlias,
    /// Removes an alias.
    RemoveAlias,
    /// Makes the previous champion serve again.
    RollBack,
    /// Judges points of a stream and learns them.
    Observe,
    /// Takes points of any streams, which are judged later.
    AppendPoints,
    /// Shows a stream.
    ShowStream,
    /// Begins a stream, or changes its options.
    SetStream,
    /// Ends a stream.
    EndStream,
    /// Begins a stream anew.
    RestartStream,
    /// Shows the points of a stream.
    ListPoints,
    /// Lists anomalies.
    ListAnomalies,
    /// Lists the anomalies of a series.
    ListSeriesAnomalies,
    /// Shows an anomaly.
    ShowAnomaly,
    /// Lists incidents.
    ListIncidents,
    /// Shows an incident.
    ShowIncident,
    /// Lists silences.
    ListSilences,
    /// Makes a silence.
    CreateSilence,
    /// Removes a silence.
    DeleteSilence,
    /// Tells everybody who is told of anomalies that this is a test.
    TestAlerts,
    /// Lists what could not be told.
    ListFailedAlerts,
    /// Takes samples as Prometheus sends them, which are judged later.
    RemoteWrite,
    /// Shows the figures of all services.
    Healthcheck,
}

impl EndpointName {
    /// The row of this call.
    pub const fn endpoint(self) -> &'static Endpoint {
        &ENDPOINTS[self as usize]
    }
}

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

/// The longest body of a prediction, in bytes: a point takes about 50, and a context may have 2,048.
const MAX_PREDICT_BYTES: usize = 256 * 1024;

/// The longest body of a change to the registry, in bytes: it names a version.
const MAX_CHANGE_BYTES: usize = 4 * 1024;

/// The longest model file, in bytes: a model has a few thousand numbers.
const MAX_MODEL_FILE_BYTES: usize = 16 << 20;

/// The longest body of an observation, in bytes: ten thousand points take half of it.
const MAX_OBSERVE_BYTES: usize = 1 << 20;

/// The longest body of points of any streams, in bytes.
const MAX_APPEND_BYTES: usize = 16 << 20;

/// The longest options of a stream, in bytes: labels alone may have 4 KiB.
const MAX_STREAM_BYTES: usize = 16 << 10;

/// The longest silence, in bytes: it may have 32 matchers.
const MAX_SILENCE_BYTES: usize = 256 << 10;

const POINT: Body = Body::Whole {
    max: MAX_PREDICT_BYTES,
};
const POINTS: Body = Body::Whole {
    max: MAX_OBSERVE_BYTES,
};
const MANY_POINTS: Body = Body::Streamed {
    max: Some(MAX_APPEND_BYTES),
};
const SILENCE: Body = Body::Streamed {
    max: Some(MAX_SILENCE_BYTES),
};
const COMMAND: Body = Body::Whole {
    max: MAX_STREAM_BYTES,
};
const BULK: Body = Body::Streamed { max: None };
const MODEL_FILE: Body = Body::Streamed {
    max: Some(MAX_MODEL_FILE_BYTES),
};
const CHANGE: Body = Body::Streamed {
    max: Some(MAX_CHANGE_BYTES),
};

/// Every call that clients can make.
#[rustfmt::skip]
pub const ENDPOINTS: &[Endpoint] = {
    use Body::Empty;
    use EndpointName as Name;
    use Method::{Delete, Get, Post, Put};
    use Owner::{Gateway, Observer, Predictor, Trainer};
    use RevisionRule::{None as Ignore, Note, Require};
    use Routing::{Any, ByPartition};
    use Scope::{Admin, Fit, Predict, Read};
    use Subject as About;
    &[
        Endpoint {
            name: Name::Fit, method: Post, path: "/fit/{series_id}",
            owner: Trainer, class: Class::Fit, scope: Fit, subject: About::Path,
            body: BULK, routing: Any, revision: Note, label: "fit",
        },
        Endpoint {
            name: Name::Predict, method: Post, path: "/predict/{series_id}",
            owner: Predictor, class: Class::Predict, scope: Predict, subject: About::Path,
            body: POINT, routing: Any, revision: Require, label: "predict",
        },
        Endpoint {
            name: Name::Batch, method: Post, path: "/predict/{series_id}/batch",
            owner: Predictor, class: Class::Detect, scope: Predict, subject: About::Path,
            body: BULK, routing: Any, revision: Require, label: "batch",
        },
        Endpoint {
            name: Name::Detect, method: Post, path: "/v1/detect",
            owner: Predictor, class: Class::Detect, scope: Predict, subject: About::None,
            body: BULK, routing: Any, revision: Ignore, label: "detect",
        },
        Endpoint {
            name: Name::Plot, method: Get, path: "/plot",
            owner: Trainer, class: Class::Plot, scope: Read, subject: About::Query,
            body: Empty, routing: Any, revision: Ignore, label: "plot",
        },
        Endpoint {
            name: Name::DetectPlot, method: Post, path: "/v1/detect/plot",
            owner: Trainer, class: Class::Plot, scope: Predict, subject: About::None,
            body: BULK, routing: Any, revision: Ignore, label: "detect_plot",
        },
        Endpoint {
            name: Name::ListSeries, method: Get, path: "/v1/series",
            owner: Trainer, class: Class::Registry, scope: Read, subject: About::All,
            body: Empty, routing: Any, revision: Ignore, label: "series",
        },
        Endpoint {
            name: Name::ShowSeries, method: Get, path: "/v1/series/{series_id}",
            owner: Trainer, class: Class::Registry, scope: Read, subject: About::Path,
            body: Empty, routing: Any, revision: Note, label: "series",
        },
        Endpoint {
            name: Name::DeleteSeries, method: Delete, path: "/v1/series/{series_id}",
            owner: Trainer, class: Class::Registry, scope: Admin, subject: About::Path,
            body: CHANGE, routing: Any, revision: Note, label: "series",
        },
        Endpoint {
            name: Name::ListModels, method: Get, path: "/v1/series/{series_id}/models",
            owner: Trainer, class: Class::Registry, scope: Read, subject: About::Path,
            body: Empty, routing: Any, revision: Note, label: "series",
        },
        Endpoint {
            name: Name::ImportModel, method: Post, path: "/v1/series/{series_id}/models",
            owner: Trainer, class: Class::Fit, scope: Fit, subject: About::Path,
            body: MODEL_FILE, routing: Any, revision: Note, label: "series",
        },
        Endpoint {
            name: Name::ShowModel, method: Get, path: "/v1/series/{series_id}/models/{version}",
            owner: Trainer, class: Class::Registry, scope: Read, subject: About::Path,
            body: Empty, routing: Any, revision: Note, label: "series",
        },
        Endpoint {
            name: Name::DeleteModel, method: Delete, path: "/v1/series/{series_id}/models/{version}",
            owner: Trainer, class: Class::Registry, scope: Admin, subject: About::Path,
            body: CHANGE, routing: Any, revision: Note, label: "series",
        },
        Endpoint {
            name: Name::ExportModel, method: Get, path: "/v1/series/{series_id}/models/{version}/export",
            owner: Trainer, class: Class::Registry, scope: Read, subject: About::Path,
            body: Empty, routing: Any, revision: Note, label: "series",
        },
        Endpoint {
            name: Name::ShowAlias, method: Get, path: "/v1/series/{series_id}/aliases/{alias}",
            owner: Trainer, class: Class::Registry, scope: Read, subject: About::Path,
            body: Empty, routing: Any, revision: Note, label: "series",
        },
        Endpoint {
            name: Name::SetAlias, method: Put, path: "/v1/series/{series_id}/aliases/{alias}",
            owner: Trainer, class: Class::Registry, scope: Fit, subject: About::Path,
            body: CHANGE, routing: Any, revision: Note, label: "series",
        },
        Endpoint {
            name: Name::RemoveAlias, method: Delete, path: "/v1/series/{series_id}/aliases/{alias}",
            owner: Trainer, class: Class::Registry, scope: Fit, subject: About::Path,
            body: CHANGE, routing: Any, revision: Note, label: "series",
        },
        Endpoint {
            name: Name::RollBack, method: Post, path: "/v1/series/{series_id}/rollback",
            owner: Trainer, class: Class::Registry, scope: Fit, subject: About::Path,
            body: CHANGE, routing: Any, revision: Note, label: "series",
        },
        Endpoint {
            name: Name::Observe, method: Post, path: "/observe/{series_id}",
            owner: Observer, class: Class::Observe, scope: Fit, subject: About::Path,
            body: POINTS, routing: ByPartition, revision: Ignore, label: "observe",
        },
        Endpoint {
            name: Name::AppendPoints, method: Post, path: "/v1/points",
            owner: Observer, class: Class::Detect, scope: Fit, subject: About::All,
            body: MANY_POINTS, routing: Any, revision: Ignore, label: "points",
        },
        Endpoint {
            name: Name::ShowStream, method: Get, path: "/v1/series/{series_id}/stream",
            owner: Observer, class: Class::Registry, scope: Read, subject: About::Path,
            body: Empty, routing: ByPartition, revision: Ignore, label: "stream",
        },
        Endpoint {
            name: Name::SetStream, method: Put, path: "/v1/series/{series_id}/stream",
            owner: Observer, class: Class::Registry, scope: Fit, subject: About::Path,
            body: COMMAND, routing: ByPartition, revision: Ignore, label: "stream",
        },
        Endpoint {
            name: Name::EndStream, method: Delete, path: "/v1/series/{series_id}/stream",
            owner: Observer, class: Class::Registry, scope: Admin, subject: About::Path,
            body: COMMAND, routing: ByPartition, revision: Ignore, label: "stream",
        },
        Endpoint {
            name: Name::RestartStream, method: Post, path: "/v1/series/{series_id}/stream/restart",
            owner: Observer, class: Class::Registry, scope: Fit, subject: About::Path,
            body: COMMAND, routing: ByPartition, revision: Ignore, label: "stream",
        },
        Endpoint {
            name: Name::ListPoints, method: Get, path: "/v1/series/{series_id}/points",
            owner: Observer, class: Class::Detect, scope: Read, subject: About::Path,
            body: Empty, routing: ByPartition, revision: Ignore, label: "points",
        },
        Endpoint {
            name: Name::ListAnomalies, method: Get, path: "/v1/anomalies",
            owner: Observer, class: Class::Registry, scope: Read, subject: About::All,
            body: Empty, routing: Any, revision: Ignore, label: "anomalies",
        },
        Endpoint {
            name: Name::ListSeriesAnomalies, method: Get, path: "/v1/series/{series_id}/anomalies",
            owner: Observer, class: Class::Registry, scope: Read, subject: About::Path,
            body: Empty, routing: Any, revision: Ignore, label: "anomalies",
        },
        Endpoint {
            name: Name::ShowAnomaly, method: Get, path: "/v1/anomalies/{anomaly_id}",
            owner: Observer, class: Class::Registry, scope: Read, subject: About::All,
            body: Empty, routing: Any, revision: Ignore, label: "anomalies",
        },
        Endpoint {
            name: Name::ListIncidents, method: Get, path: "/v1/incidents",
            owner: Observer, class: Class::Registry, scope: Read, subject: About::All,
            body: Empty, routing: Any, revision: Ignore, label: "incidents",
        },
        Endpoint {
            name: Name::ShowIncident, method: Get, path: "/v1/incidents/{incident_id}",
            owner: Observer, class: Class::Registry, scope: Read, subject: About::All,
            body: Empty, routing: Any, revision: Ignore, label: "incidents",
        },
        Endpoint {
            name: Name::ListSilences, method: Get, path: "/v1/silences",
            owner: Observer, class: Class::Registry, scope: Read, subject: About::None,
            body: Empty, routing: Any, revision: Ignore, label: "silences",
        },
        Endpoint {
            name: Name::CreateSilence, method: Post, path: "/v1/silences",
            owner: Observer, class: Class::Registry, scope: Admin, subject: About::None,
            body: SILENCE, routing: Any, revision: Ignore, label: "silences",
        },
        Endpoint {
            name: Name::DeleteSilence, method: Delete, path: "/v1/silences/{silence_id}",
            owner: Observer, class: Class::Registry, scope: Admin, subject: About::None,
            body: CHANGE, routing: Any, revision: Ignore, label: "silences",
        },
        Endpoint {
            name: Name::TestAlerts, method: Post, path: "/v1/alerts/test",
            owner: Observer, class: Class::Registry, scope: Admin, subject: About::None,
            body: CHANGE, routing: Any, revision: Ignore, label: "alerts",
        },
        Endpoint {
            name: Name::ListFailedAlerts, method: Get, path: "/v1/alerts/failed",
            owner: Observer, class: Class::Registry, scope: Read, subject: About::All,
            body: Empty, routing: Any, revision: Ignore, label: "alerts",
        },
        Endpoint {
            name: Name::RemoteWrite, method: Post, path: "/api/v1/write",
            owner: Observer, class: Class::Detect, scope: Fit, subject: About::All,
            body: MANY_POINTS, routing: Any, revision: Ignore, label: "write",
        },
        Endpoint {
            name: Name::Healthcheck, method: Get, path: "/healthcheck",
            owner: Gateway, class: Class::Health, scope: Read, subject: About::All,
            body: Empty, routing: Any, revision: Ignore, label: "healthcheck",
        },
    ]
};

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
        assert_eq!(ENDPOINTS.len(), EndpointName::Healthcheck as usize + 1);
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
