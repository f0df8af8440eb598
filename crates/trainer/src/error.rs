//! What goes wrong in a request, and what the client hears of it.

use std::time::Duration;

use axum::http::StatusCode;
use bus::BusError;
use contract::BadJson;
use detector::Unfit;
use service::http::{ProblemReply, RequestContext};
use store::StoreError;

use crate::chart::DrawError;

/// Why a request has no good answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// As much as fits is in progress already.
    #[error("too much is in progress")]
    Overloaded,
    /// The body of a fit is not what a fit takes.
    #[error("request body: {0}")]
    Malformed(#[from] BadJson),
    /// There are no points, or as many timestamps as values.
    #[error("timestamps and values do not match")]
    LengthMismatch,
    /// Nothing can be learned from the points.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The model could not be stored, or not made visible.
    #[error("model was not stored")]
    NotStored(#[source] StoreError),
    /// The training points were not acknowledged.
    #[error("training points were not published")]
    NotPublished(#[source] BusError),
    /// A plot of no series.
    #[error("no series is named")]
    MissingSeries,
    /// A query parameter that makes no sense; the text says which and why.
    #[error("{0}")]
    InvalidParameter(String),
    /// No such model.
    #[error("no such model")]
    NoTrainingData,
    /// There is a model, but none of its points is in the part to be drawn.
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

impl Error {
    /// The answer to the request of `context`. What is our fault is logged here, once, and not told.
    pub(crate) fn reply(self, context: Option<&RequestContext>) -> ProblemReply {
        let (status, code, detail) = self.described();
        let retry_after = (status == BUSY).then_some(RETRY_AFTER);
        if matches!(code, NOT_DURABLE | UNAVAILABLE | INTERNAL) {
            let request_id = context.and_then(|c| c.request_id.to_str().ok());
            let error: &(dyn std::error::Error + 'static) = &self;
            tracing::error!(error, request_id, "request failed");
        }
        let problem = match self {
            Self::Malformed(fault) => {
                let detail = format!("{detail}: {fault}");
                ProblemReply::new(status, code, detail).errors(vec![fault.to_string()])
            }
            Self::InvalidParameter(detail) => ProblemReply::new(status, code, detail),
            Self::Unfit(unfit) => ProblemReply::new(status, code, unfit.to_string()),
            _ => ProblemReply::new(status, code, detail),
        };
        ProblemReply {
            retry_after,
            ..problem
        }
    }

    /// Status, code and sentence. Existing clients read the sentences.
    fn described(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Overloaded => (BUSY, "overloaded", "Too much is in progress"),
            Self::Malformed(_) => (BAD, "invalid_payload", "Invalid request payload"),
            Self::LengthMismatch => (
                BAD,
                "length_mismatch",
                "Timestamps and values must be of same non-zero length",
            ),
            Self::Unfit(Unfit::InsufficientOrConstant) => {
                (BAD, "insufficient_data", "Insufficient or constant data")
            }
            Self::Unfit(_) => (BAD, "invalid_parameter", "Invalid fit options"),
            Self::NotStored(_) | Self::NotPublished(_) => {
                (BUSY, NOT_DURABLE, "The model could not be made durable")
            }
            Self::MissingSeries => (
                BAD,
                "missing_series_id",
                "The query parameter series_id is required",
            ),
            Self::InvalidParameter(_) => (BAD, "invalid_parameter", "Invalid query parameter"),
            Self::NoTrainingData => (
                StatusCode::NOT_FOUND,
                "no_training_data",
                "No training data found for given series_id and version.",
            ),
            Self::NoPointsInRange => (
                StatusCode::NOT_FOUND,
                "no_points_in_range",
                "There are no points between from and to",
            ),
            Self::TrainingDataPending => (
                BUSY,
                "training_data_pending",
                "The training data is still being stored",
            ),
            Self::NotRead(error) if error.is_transient() => {
                (BUSY, UNAVAILABLE, "The training data cannot be read now")
            }
            Self::NotRead(_) | Self::NotDrawn(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                INTERNAL,
                "Internal server error",
            ),
        }
    }
}

const BAD: StatusCode = StatusCode::BAD_REQUEST;
const BUSY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
/// What may pass has passed by then, or takes longer than anyone wants to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

const NOT_DURABLE: &str = "not_durable";
const UNAVAILABLE: &str = "backend_unavailable";
const INTERNAL: &str = "internal_error";
