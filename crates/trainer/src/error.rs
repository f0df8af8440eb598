//! What goes wrong in a request, and what the client hears of it.

use std::{borrow::Cow, time::Duration};

use axum::{
    http::{StatusCode, header::ETAG},
    response::{IntoResponse, Response},
};
use bus::BusError;
use contract::{AliasName, BadJson};
use detector::Unfit;
use http_server::{BadParameter, ProblemReply, RequestContext};
use store::{Refusal, StoreError};

use chart::DrawError;

use crate::registry::etag;

/// Why a request has no good answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// As much as fits is in progress already.
    #[error("too much is in progress")]
    Overloaded,
    /// The body is not what the route takes.
    #[error("request body: {0}")]
    Malformed(#[from] BadJson),
    /// There are no points, or as many timestamps as values.
    #[error("timestamps and values do not match")]
    LengthMismatch,
    /// Nothing can be learned from the points, or not in the way that was asked for.
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
    #[error(transparent)]
    InvalidParameter(#[from] BadParameter),
    /// A header that makes no sense; the text says which and why.
    #[error("{0}")]
    InvalidHeader(String),
    /// What was to be imported is no model that was exported; the text says why.
    #[error("model file: {0}")]
    BadFile(String),
    /// The series is not such that this can be done.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Series and models could not be read or changed.
    #[error("registry does not answer")]
    Unanswered(#[source] StoreError),
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

/// Status, code and sentence.
type Described = (StatusCode, &'static str, Cow<'static, str>);

impl Error {
    /// The answer to the request of `context`. What is our fault is logged here, once, and not told.
    pub(crate) fn reply(self, context: Option<&RequestContext>) -> ProblemReply {
        let (status, code, detail) = self.described();
        if matches!(code, NOT_DURABLE | UNAVAILABLE | INTERNAL) {
            let request_id = context.and_then(|c| c.request_id.to_str().ok());
            let error: &(dyn std::error::Error + 'static) = &self;
            tracing::error!(error, request_id, "request failed");
        }
        let errors = match self {
            Self::Malformed(fault) => vec![fault.to_string()],
            Self::BadFile(fault) => vec![fault],
            _ => Vec::new(),
        };
        ProblemReply {
            retry_after: (status == BUSY).then_some(RETRY_AFTER),
            ..ProblemReply::new(status, code, detail).errors(errors)
        }
    }

    /// The same as a response, with the ETag that the client should have known.
    pub(crate) fn respond(self, context: Option<&RequestContext>) -> Response {
        let present = match &self {
            Self::Refused(Refusal::Stale(present)) => Some(etag(*present)),
            _ => None,
        };
        let mut response = self.reply(context).into_response();
        if let Some(present) = present {
            response.headers_mut().insert(ETAG, present);
        }
        response
    }

    /// Status, code and sentence. Existing clients read the sentences.
    fn described(&self) -> Described {
        let (status, code, detail) = match self {
            Self::Malformed(fault) => {
                return bad("invalid_payload", "Invalid request payload", fault);
            }
            Self::BadFile(fault) => return bad("invalid_model_file", "Invalid model file", fault),
            Self::Unfit(Unfit::InsufficientOrConstant) => {
                (BAD, "insufficient_data", "Insufficient or constant data")
            }
            Self::Unfit(fault) => return (BAD, "invalid_params", fault.to_string().into()),
            Self::InvalidParameter(fault) => {
                return (BAD, "invalid_parameter", fault.to_string().into());
            }
            Self::InvalidHeader(fault) => return (BAD, "invalid_header", fault.clone().into()),
            Self::Refused(refusal) => return refused(refusal),
            Self::LengthMismatch => (BAD, "length_mismatch", LENGTH_MISMATCH),
            Self::MissingSeries => (BAD, "missing_series_id", MISSING_SERIES),
            Self::NoTrainingData => (StatusCode::NOT_FOUND, "no_training_data", NO_TRAINING_DATA),
            Self::NoPointsInRange => (
                StatusCode::NOT_FOUND,
                "no_points_in_range",
                "There are no points between from and to",
            ),
            Self::Overloaded => (BUSY, "overloaded", "Too much is in progress"),
            Self::TrainingDataPending => (
                BUSY,
                "training_data_pending",
                "The training data is still being stored",
            ),
            Self::NotStored(_) | Self::NotPublished(_) => {
                (BUSY, NOT_DURABLE, "The model could not be made durable")
            }
            Self::NotRead(error) if error.is_transient() => {
                (BUSY, UNAVAILABLE, "The training data cannot be read now")
            }
            Self::Unanswered(error) if error.is_transient() => {
                (BUSY, UNAVAILABLE, "The registry does not answer now")
            }
            Self::NotRead(_) | Self::Unanswered(_) | Self::NotDrawn(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                INTERNAL,
                "Internal server error",
            ),
        };
        (status, code, detail.into())
    }
}

/// 400 with a fault that somebody else describes.
fn bad(code: &'static str, what: &str, fault: &impl std::fmt::Display) -> Described {
    (BAD, code, format!("{what}: {fault}").into())
}

/// What a client hears when a series is not such that something can be done with it.
fn refused(refusal: &Refusal) -> Described {
    let (status, code, detail) = match refusal {
        Refusal::NoSeries => (
            StatusCode::NOT_FOUND,
            "series_not_found",
            "Series not found",
        ),
        Refusal::NoModel => (StatusCode::NOT_FOUND, "model_not_found", "Model not found"),
        Refusal::NoAlias => (StatusCode::NOT_FOUND, "alias_not_found", "Alias not found"),
        Refusal::NothingBefore => (
            StatusCode::CONFLICT,
            "nothing_to_roll_back_to",
            "There is nothing to roll back to: no model judged before, or it is gone",
        ),
        Refusal::TooManyAliases => (
            StatusCode::CONFLICT,
            "too_many_aliases",
            "The series has as many aliases as it may have",
        ),
        Refusal::InUse(aliases) => {
            let names: Vec<_> = aliases.iter().map(AliasName::as_str).collect();
            let detail = format!("The model is in use: it is named by {}", names.join(", "));
            return (StatusCode::CONFLICT, "model_in_use", detail.into());
        }
        Refusal::Stale(present) => {
            let detail = format!("If-Match does not hold: the series is at revision {present}");
            return (
                StatusCode::PRECONDITION_FAILED,
                "revision_mismatch",
                detail.into(),
            );
        }
    };
    (status, code, detail.into())
}

const LENGTH_MISMATCH: &str = "Timestamps and values must be of same non-zero length";
const MISSING_SERIES: &str = "The query parameter series_id is required";
const NO_TRAINING_DATA: &str = "No training data found for given series_id and version.";

const BAD: StatusCode = StatusCode::BAD_REQUEST;
const BUSY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
/// What may pass has passed by then, or takes longer than anyone wants to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);

const NOT_DURABLE: &str = "not_durable";
const UNAVAILABLE: &str = "backend_unavailable";
const INTERNAL: &str = "internal_error";
