//! The rows of the table.

use super::{
    Body, Class, Endpoint, EndpointName, Method, Owner, RevisionRule, Routing, Scope, Subject,
};

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
            name: Name::SetFeedback, method: Put, path: "/v1/anomalies/{anomaly_id}/feedback",
            owner: Observer, class: Class::Registry, scope: Fit, subject: About::All,
            body: CHANGE, routing: Any, revision: Ignore, label: "feedback",
        },
        Endpoint {
            name: Name::RemoveFeedback, method: Delete, path: "/v1/anomalies/{anomaly_id}/feedback",
            owner: Observer, class: Class::Registry, scope: Fit, subject: About::All,
            body: CHANGE, routing: Any, revision: Ignore, label: "feedback",
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
        Endpoint {
            name: Name::Overview, method: Get, path: "/v1/overview",
            owner: Observer, class: Class::Registry, scope: Read, subject: About::All,
            body: Empty, routing: Any, revision: Ignore, label: "overview",
        },
        Endpoint {
            name: Name::AlarmHistogram, method: Get, path: "/v1/alarms/histogram",
            owner: Observer, class: Class::Registry, scope: Read, subject: About::All,
            body: Empty, routing: Any, revision: Ignore, label: "overview",
        },
        Endpoint {
            name: Name::BeginSession, method: Post, path: "/v1/session",
            owner: Gateway, class: Class::Health, scope: Read, subject: About::None,
            body: Empty, routing: Any, revision: Ignore, label: "session",
        },
        Endpoint {
            name: Name::EndSession, method: Delete, path: "/v1/session",
            owner: Gateway, class: Class::Health, scope: Read, subject: About::None,
            body: Empty, routing: Any, revision: Ignore, label: "session",
        },
        Endpoint {
            name: Name::Events, method: Get, path: "/v1/events",
            owner: Gateway, class: Class::Health, scope: Read, subject: About::All,
            body: Empty, routing: Any, revision: Ignore, label: "events",
        },
        Endpoint {
            name: Name::System, method: Get, path: "/v1/system",
            owner: Gateway, class: Class::Health, scope: Read, subject: About::None,
            body: Empty, routing: Any, revision: Ignore, label: "system",
        },
        Endpoint {
            name: Name::AzureDetect, method: Post,
            path: "/anomalydetector/{version}/timeseries/{task}/detect",
            owner: Predictor, class: Class::Detect, scope: Predict, subject: About::None,
            body: BULK, routing: Any, revision: Ignore, label: "azure",
        },
        Endpoint {
            name: Name::InferServer, method: Get, path: "/v2",
            owner: Predictor, class: Class::Registry, scope: Predict, subject: About::None,
            body: Empty, routing: Any, revision: Ignore, label: "infer",
        },
        Endpoint {
            name: Name::InferModel, method: Get, path: "/v2/models/{series_id}",
            owner: Predictor, class: Class::Registry, scope: Predict, subject: About::Path,
            body: Empty, routing: Any, revision: Require, label: "infer",
        },
        Endpoint {
            name: Name::InferModelVersion, method: Get, path: "/v2/models/{series_id}/versions/{version}",
            owner: Predictor, class: Class::Registry, scope: Predict, subject: About::Path,
            body: Empty, routing: Any, revision: Require, label: "infer",
        },
        Endpoint {
            name: Name::InferReady, method: Get, path: "/v2/models/{series_id}/ready",
            owner: Predictor, class: Class::Registry, scope: Predict, subject: About::Path,
            body: Empty, routing: Any, revision: Require, label: "infer",
        },
        Endpoint {
            name: Name::InferReadyVersion, method: Get, path: "/v2/models/{series_id}/versions/{version}/ready",
            owner: Predictor, class: Class::Registry, scope: Predict, subject: About::Path,
            body: Empty, routing: Any, revision: Require, label: "infer",
        },
        Endpoint {
            name: Name::Infer, method: Post, path: "/v2/models/{series_id}/infer",
            owner: Predictor, class: Class::Detect, scope: Predict, subject: About::Path,
            body: BULK, routing: Any, revision: Require, label: "infer",
        },
        Endpoint {
            name: Name::InferVersion, method: Post, path: "/v2/models/{series_id}/versions/{version}/infer",
            owner: Predictor, class: Class::Detect, scope: Predict, subject: About::Path,
            body: BULK, routing: Any, revision: Require, label: "infer",
        },
    ]
};
