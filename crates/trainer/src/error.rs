//! The errors of requests, and how clients are told of them.

use std::time::Duration;

use axum::http::StatusCode;
use bus::BusError;
use contract::{AliasName, BadJson, ProblemCode};
use detector::Unfit;
use http_server::{BadParameter, ProblemReply, RequestContext};
use service::telemetry::with_sources;
use store::{NoRoom, Refusal, RegistryError, StoreError};

use chart::DrawError;

use crate::once::KeyError;

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Too much is in progress already.
    #[error("too much is in progress")]
    Overloaded,
    /// The body is not valid for the route.
    #[error("request body: {0}")]
    Malformed(#[from] BadJson),
    /// There are no points, or not as many timestamps as values.
    #[error("timestamps and values do not match")]
    LengthMismatch,
    /// The points cannot be fitted, or not with the options of the request.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// There is no room for a further model.
    #[error("{0}")]
    NoRoom(NoRoom),
    /// The model could not be stored, or not made visible.
    #[error("model was not stored")]
    NotStored(#[source] StoreError),
    /// The training points were not acknowledged.
    #[error("training points were not published")]
    NotPublished(#[source] BusError),
    /// The request for a plot names no series.
    #[error("no series is named")]
    MissingSeries,
    /// A query parameter is not valid. The text says which one and why.
    #[error(transparent)]
    InvalidParameter(#[from] BadParameter),
    /// A header is not valid. The text says which one and why.
    #[error("{0}")]
    InvalidHeader(String),
    /// The body of an import is not an exported model. The text says why.
    #[error("model file: {0}")]
    BadFile(String),
    /// The `Idempotency-Key` of the request is taken.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The receipt of an earlier try cannot be read.
    #[error("receipt of the request cannot be read")]
    BadReceipt(#[source] serde_json::Error),
    /// The model to import is not signed by an installation that is trusted.
    #[error("model is foreign")]
    ForeignModel,
    /// The state of the series does not allow the request.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Series and models could not be read or changed.
    #[error("registry does not answer")]
    Unanswered(#[source] StoreError),
    /// It is not certain that the stream of a series was ended.
    #[error("stream could not be ended")]
    NotEnded(#[source] Option<BusError>),
    /// The series has no such model, or it has no training points.
    #[error("no such model")]
    NoTrainingData,
    /// None of the model's points lies in the range to draw.
    #[error("no points between from and to")]
    NoPointsInRange,
    /// The points of a plot are still on their way to the database.
    #[error("training points are not stored yet")]
    TrainingDataPending,
    /// The points of a plot could not be read.
    #[error("training points could not be read")]
    NotRead(#[source] StoreError),
    /// The plot could not be drawn.
    #[error("plot could not be drawn")]
    NotDrawn(#[from] DrawError),
}

impl From<RegistryError> for Error {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Refused(refusal) => Self::Refused(refusal),
            RegistryError::Store(error) => Self::Unanswered(error),
        }
    }
}

impl Error {
    /// The reply to the request of `context`. A failure of ours is logged here, once, and not shown
    /// to the client.
    pub(crate) fn reply(self, context: Option<&RequestContext>) -> ProblemReply {
        let problem = self.problem();
        let is_ours = !matches!(self, Self::NoRoom(_));
        if is_ours
            && matches!(
                problem.code,
                ProblemCode::NotDurable
                    | ProblemCode::BackendUnavailable
                    | ProblemCode::InternalError
                    | ProblemCode::InsufficientStorage
            )
        {
            let request_id = context.and_then(|c| c.request_id.to_str().ok());
            tracing::error!(error = with_sources(&self), request_id, "request failed");
        }
        match problem.status {
            StatusCode::SERVICE_UNAVAILABLE => problem.retry_after(RETRY_AFTER),
            _ => problem,
        }
    }

    /// Whether a fit or an import failed because as much is stored as can be or may be.
    pub(crate) fn is_lack_of_room(&self) -> bool {
        match self {
            Self::NoRoom(_) => true,
            Self::NotStored(error) | Self::Unanswered(error) => error.is_full(),
            Self::NotPublished(error) => error.is_full(),
            _ => false,
        }
    }

    /// The code and detail. Existing clients read the details.
    fn problem(&self) -> ProblemReply {
        use ProblemCode as Code;
        let (code, detail) = match self {
            Self::Overloaded => return ProblemReply::overloaded(),
            Self::Malformed(fault) => return ProblemReply::invalid_payload(fault),
            Self::BadFile(fault) => {
                let detail = format!("Invalid model file: {fault}");
                return ProblemReply::new(Code::InvalidModelFile, detail)
                    .errors(vec![fault.clone()]);
            }
            Self::Unfit(why) => {
                return ProblemReply::new(why.code(), why.to_string()).errors(why.errors());
            }
            Self::InvalidParameter(fault) => {
                return ProblemReply::new(Code::InvalidParameter, fault.to_string());
            }
            Self::InvalidHeader(fault) => {
                return ProblemReply::new(Code::InvalidHeader, fault.clone());
            }
            Self::Refused(refusal) => return refused(refusal),
            Self::Key(taken) => return taken.problem(),
            Self::LengthMismatch => (Code::LengthMismatch, LENGTH_MISMATCH),
            Self::ForeignModel => (Code::ForeignModel, FOREIGN_MODEL),
            Self::MissingSeries => (Code::MissingSeriesId, MISSING_SERIES),
            Self::NoTrainingData => (Code::NoTrainingData, NO_TRAINING_DATA),
            Self::NoPointsInRange => (Code::NoPointsInRange, NO_POINTS_IN_RANGE),
            Self::TrainingDataPending => (
                Code::TrainingDataPending,
                "The training data is still being stored",
            ),
            Self::NoRoom(lack @ NoRoom::Disk { .. }) => {
                return ProblemReply::new(Code::InsufficientStorage, lack.to_string());
            }
            Self::NoRoom(lack) => {
                return ProblemReply::new(Code::QuotaExceeded, lack.to_string());
            }
            full if full.is_lack_of_room() => (
                Code::InsufficientStorage,
                "The disk is full: nothing more can be stored",
            ),
            Self::NotStored(_) | Self::NotPublished(_) => {
                (Code::NotDurable, "The model could not be made durable")
            }
            Self::NotEnded(_) => (Code::BackendUnavailable, NOT_ENDED),
            Self::NotRead(error) if error.is_transient() => (
                Code::BackendUnavailable,
                "The training data cannot be read now",
            ),
            Self::Unanswered(error) if error.is_transient() => {
                (Code::BackendUnavailable, "The registry does not answer now")
            }
            Self::NotRead(StoreError::CorruptPoints { .. }) => {
                (Code::InternalError, DAMAGED_POINTS)
            }
            Self::NotRead(_) | Self::Unanswered(_) | Self::NotDrawn(_) | Self::BadReceipt(_) => {
                return ProblemReply::internal();
            }
        };
        ProblemReply::new(code, detail)
    }
}

/// The problem that describes a refusal of the registry.
fn refused(refusal: &Refusal) -> ProblemReply {
    let (code, detail) = match refusal {
        Refusal::NoSeries => (ProblemCode::SeriesNotFound, "Series not found"),
        Refusal::NoModel => (ProblemCode::ModelNotFound, "Model not found"),
        Refusal::NoAlias => (ProblemCode::AliasNotFound, "Alias not found"),
        Refusal::Repeated => return KeyError::InProgress.problem(),
        Refusal::NothingBefore => (
            ProblemCode::NothingToRollBackTo,
            "There is nothing to roll back to: no model judged before, or it is gone",
        ),
        Refusal::TooManyAliases => (
            ProblemCode::TooManyAliases,
            "The series has as many aliases as it may have",
        ),
        Refusal::InUse(aliases) => {
            let names: Vec<_> = aliases.iter().map(AliasName::as_str).collect();
            let detail = format!("The model is in use: it is named by {}", names.join(", "));
            return ProblemReply::new(ProblemCode::ModelInUse, detail);
        }
        Refusal::Stale(present) => {
            let detail = format!("If-Match does not hold: the series is at revision {present}");
            return ProblemReply::new(ProblemCode::RevisionMismatch, detail);
        }
    };
    ProblemReply::new(code, detail)
}

const DAMAGED_POINTS: &str = "The stored training points are damaged: fit the series again";
const FOREIGN_MODEL: &str = "The file is not signed by an installation that is trusted here";
const LENGTH_MISMATCH: &str = "Timestamps and values must be of same non-zero length";
const MISSING_SERIES: &str = "The query parameter series_id is required";
const NO_POINTS_IN_RANGE: &str = "There are no points between from and to";
const NOT_ENDED: &str = "It is not known whether the stream was ended: delete the series again";
const NO_TRAINING_DATA: &str = "No training data found for given series_id and version.";

/// A short overload has passed by then; a longer one takes longer than anyone wants to wait.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);
