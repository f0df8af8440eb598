//! The errors of requests, and how clients are told of them.

use std::time::Duration;

use bus::BusError;
use contract::{BadJson, ProblemCode, SeriesId};
use http_server::{BadParameter, ProblemReply, RequestContext};
use service::telemetry::with_sources;
use store::StoreError;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The body is not valid for the route.
    #[error("request body: {0}")]
    Malformed(#[from] BadJson),
    /// The body is not valid. The text says why, and in which line if it has lines.
    #[error("request body: {0}")]
    BadBody(String),
    /// The body has more than may be, of what the text says.
    #[error("request body has more than {0}")]
    TooLarge(String),
    /// The body is of remote write 2.0.
    #[error("request body is of remote write 2.0")]
    UnknownVersion,
    /// A query parameter is not valid.
    #[error(transparent)]
    InvalidParameter(#[from] BadParameter),
    /// Too much is in progress already.
    #[error("too much is in progress")]
    Overloaded,
    /// There are as many streams as there may be.
    #[error("there are too many streams")]
    TooManyStreams,
    /// The series has no stream.
    #[error("no such stream")]
    NoStream,
    /// The series has no such model, or none that was fitted here.
    #[error("no such model")]
    NoModel,
    /// The points of a new model are still being stored.
    #[error("training points are not stored yet")]
    PointsPending,
    /// The model is of several columns.
    #[error("model has columns")]
    HasColumns,
    /// Work of ours panicked.
    #[error("work panicked")]
    Panicked,
    /// There is no such anomaly.
    #[error("no such anomaly")]
    NoAnomaly,
    /// There is no such incident.
    #[error("no such incident")]
    NoIncident,
    /// There is no such silence.
    #[error("no such silence")]
    NoSilence,
    /// There are as many silences as there may be.
    #[error("there are too many silences")]
    TooManySilences,
    /// The caller may not touch this series.
    #[error("{} is not among the series of the caller", .0.as_str())]
    Forbidden(SeriesId),
    /// The points were not acknowledged.
    #[error("points were not acknowledged")]
    NotAcknowledged(#[source] BusError),
    /// The database could not be read.
    #[error("store does not answer")]
    Unanswered(#[source] StoreError),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::BadCursor(_) => {
                let rule = "it is not the next of a page in this order";
                BadParameter::invalid("after", rule).into()
            }
            error => Self::Unanswered(error),
        }
    }
}

/// Why training points are not there yet.
const PENDING: &str = "The points of the new model are still being stored";

/// A short overload has passed by then.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Error {
    /// The reply to the request of `context`. A failure of ours is logged here, once.
    pub(crate) fn reply(self, context: Option<&RequestContext>) -> ProblemReply {
        if matches!(
            self,
            Self::NotAcknowledged(_) | Self::Unanswered(_) | Self::Panicked
        ) {
            let request_id = context.and_then(|c| c.request_id.to_str().ok());
            tracing::error!(error = with_sources(&self), request_id, "request failed");
        }
        let problem = self.problem();
        match problem.code.status() {
            503 | 429 => problem.retry_after(RETRY_AFTER),
            _ => problem,
        }
    }

    fn problem(&self) -> ProblemReply {
        use ProblemCode as Code;
        let (code, detail) = match self {
            Self::Malformed(fault) => return ProblemReply::invalid_payload(fault),
            Self::BadBody(fault) => {
                let detail = format!("Invalid request payload: {fault}");
                return ProblemReply::new(Code::InvalidPayload, detail).errors(vec![fault.clone()]);
            }
            Self::InvalidParameter(fault) => {
                return ProblemReply::new(Code::InvalidParameter, fault.to_string());
            }
            Self::TooLarge(what) => {
                let detail = format!("Request body has more than {what}");
                return ProblemReply::new(Code::BodyTooLarge, detail);
            }
            Self::UnknownVersion => (
                Code::UnsupportedMediaType,
                "Only remote write 1.0 is taken: prometheus.WriteRequest, in a block of Snappy",
            ),
            Self::Overloaded => return ProblemReply::overloaded(),
            Self::TooManyStreams => (
                Code::TooManyStreams,
                "There are as many streams as there may be; nothing was stored",
            ),
            Self::NoStream => (Code::StreamNotFound, "The series has no stream"),
            Self::NoModel => (Code::NoTrainingData, "No such model was fitted here"),
            Self::PointsPending => (Code::TrainingDataPending, PENDING),
            Self::HasColumns => (Code::ColumnsMismatch, "The model has several columns"),
            Self::Panicked => return ProblemReply::internal(),
            Self::NoAnomaly => (Code::AnomalyNotFound, "There is no such anomaly"),
            Self::NoSilence => (Code::SilenceNotFound, "There is no such silence"),
            Self::TooManySilences => (
                Code::QuotaExceeded,
                "There are as many silences as there may be",
            ),
            Self::NoIncident => (Code::IncidentNotFound, "There is no such incident"),
            Self::Forbidden(series) => {
                let detail = format!("The API key is not for the series {}", series.as_str());
                return ProblemReply::new(Code::Forbidden, detail);
            }
            Self::NotAcknowledged(BusError::Busy) => (
                Code::Overloaded,
                "Too many points wait to be stored; these were not stored",
            ),
            Self::NotAcknowledged(error) if error.is_full() => (
                Code::InsufficientStorage,
                "The disk is full: nothing more can be stored",
            ),
            Self::NotAcknowledged(_) => (
                Code::NotAcknowledged,
                "It is not known whether the points were stored. Send them again: that is safe",
            ),
            Self::Unanswered(error) if error.is_transient() => {
                (Code::BackendUnavailable, "The database does not answer now")
            }
            Self::Unanswered(_) => return ProblemReply::internal(),
        };
        ProblemReply::new(code, detail)
    }
}
