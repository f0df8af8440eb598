//! What goes wrong in a request, and what the client hears of it.

use std::time::Duration;

use axum::{
    http::{StatusCode, header::ETAG},
    response::{IntoResponse, Response},
};
use bus::BusError;
use contract::{AliasName, BadJson, ProblemCode};
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

impl Error {
    /// The answer to the request of `context`. What is our fault is logged here, once, and not told.
    pub(crate) fn reply(self, context: Option<&RequestContext>) -> ProblemReply {
        let problem = self.problem();
        if matches!(
            problem.code,
            ProblemCode::NotDurable | ProblemCode::BackendUnavailable | ProblemCode::InternalError
        ) {
            let request_id = context.and_then(|c| c.request_id.to_str().ok());
            let error: &(dyn std::error::Error + 'static) = &self;
            tracing::error!(error, request_id, "request failed");
        }
        match problem.status {
            StatusCode::SERVICE_UNAVAILABLE => problem.retry_after(RETRY_AFTER),
            _ => problem,
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

    /// Code and sentence. Existing clients read the sentences.
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
            Self::Unfit(why) => return ProblemReply::new(why.code(), why.to_string()),
            Self::InvalidParameter(fault) => {
                return ProblemReply::new(Code::InvalidParameter, fault.to_string());
            }
            Self::InvalidHeader(fault) => {
                return ProblemReply::new(Code::InvalidHeader, fault.clone());
            }
            Self::Refused(refusal) => return refused(refusal),
            Self::LengthMismatch => (Code::LengthMismatch, LENGTH_MISMATCH),
            Self::MissingSeries => (Code::MissingSeriesId, MISSING_SERIES),
            Self::NoTrainingData => (Code::NoTrainingData, NO_TRAINING_DATA),
            Self::NoPointsInRange => (
                Code::NoPointsInRange,
                "There are no points between from and to",
            ),
            Self::TrainingDataPending => (
                Code::TrainingDataPending,
                "The training data is still being stored",
            ),
            Self::NotStored(_) | Self::NotPublished(_) => {
                (Code::NotDurable, "The model could not be made durable")
            }
            Self::NotRead(error) if error.is_transient() => (
                Code::BackendUnavailable,
                "The training data cannot be read now",
            ),
            Self::Unanswered(error) if error.is_transient() => {
                (Code::BackendUnavailable, "The registry does not answer now")
            }
            Self::NotRead(_) | Self::Unanswered(_) | Self::NotDrawn(_) => {
                return ProblemReply::internal();
            }
        };
        ProblemReply::new(code, detail)
    }
}

/// Code and sentence for a series that is not such that something can be done with it.
fn refused(refusal: &Refusal) -> ProblemReply {
    let (code, detail) = match refusal {
        Refusal::NoSeries => (ProblemCode::SeriesNotFound, "Series not found"),
        Refusal::NoModel => (ProblemCode::ModelNotFound, "Model not found"),
        Refusal::NoAlias => (ProblemCode::AliasNotFound, "Alias not found"),
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

const LENGTH_MISMATCH: &str = "Timestamps and values must be of same non-zero length";
const MISSING_SERIES: &str = "The query parameter series_id is required";
const NO_TRAINING_DATA: &str = "No training data found for given series_id and version.";

/// What may pass has passed by then, or takes longer than anyone wants to wait.
const RETRY_AFTER: Duration = Duration::from_secs(1);
