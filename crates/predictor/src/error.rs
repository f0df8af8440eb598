//! Why a request fails, and the problem that the client gets.

use std::time::Duration;

use contract::{BadJson, DetectForm, InvalidSeriesId, ProblemCode, Version, VersionRef};
use detector::{Unfit, WrongUnit};
use http_server::{BadParameter, ProblemReply};
use service::series::invalid_series;

use crate::models::LoadError;

/// The time after which to try again where too much is in progress or the store is away.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The time after which to try again where too many models are being loaded: most loads have
/// ended by then.
const RETRY_LOAD_AFTER: Duration = Duration::from_millis(200);

/// Why a request fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Too many bytes of bodies are in progress, or no core came free in time.
    #[error("too much is in progress")]
    Overloaded,
    /// The body of a prediction or a batch is not what the route takes.
    #[error("request body: {0}")]
    Malformed(BadJson),
    /// The body of a detection is not what the route takes.
    #[error("request body: {0}")]
    MalformedDetection(BadJson),
    /// A detection is to be answered in another form than rows, and in lines.
    #[error("form: {0} means one JSON object, and the request accepts lines")]
    FormInLines(DetectForm),
    /// No model can be fitted on the points of a detection, or not with these options.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// A point counts its time in another unit than the training points.
    #[error(transparent)]
    WrongUnit(#[from] WrongUnit),
    /// The columns of the request are not those of the model. The text says which.
    #[error("{0}")]
    Columns(String),
    /// A query parameter is unknown or has an invalid value.
    #[error(transparent)]
    InvalidParameter(#[from] BadParameter),
    /// The id of the series breaks a rule.
    #[error(transparent)]
    InvalidSeries(#[from] InvalidSeriesId),
    /// The series does not have a model.
    #[error("series has no model")]
    NoModel,
    /// The series does not have this version.
    #[error("series has no model {0}")]
    NoVersion(Version),
    /// The series does not have this alias.
    #[error("series has no alias {0}")]
    NoAlias(VersionRef),
    /// The model is not in memory, and the caller does not want to wait for it.
    #[error("model is not in memory")]
    NotCached,
    /// The model could not be loaded. This was logged where the load ran, once for all who waited.
    #[error(transparent)]
    NotLoaded(#[from] LoadError),
}

impl From<Error> for ProblemReply {
    /// Existing clients read the sentences.
    fn from(error: Error) -> Self {
        use ProblemCode as Code;
        match error {
            Error::Overloaded => Self::overloaded().retry_after(RETRY_AFTER),
            // The sentence that clients of predictions have always read leaves the fault out.
            Error::Malformed(fault) => Self {
                detail: "Invalid request payload".into(),
                ..Self::invalid_payload(&fault)
            },
            Error::MalformedDetection(fault) => Self::invalid_payload(&fault),
            Error::FormInLines(_) => {
                let fault = error.to_string();
                let detail = format!("Invalid request payload: {fault}");
                Self::new(Code::InvalidPayload, detail).errors(vec![fault])
            }
            Error::Unfit(why) => Self::new(why.code(), why.to_string()).errors(why.errors()),
            Error::Columns(why) => Self::new(Code::ColumnsMismatch, sentence(&why)),
            Error::WrongUnit(why) => Self::new(Code::WrongTimeUnit, sentence(&why.to_string())),
            Error::InvalidParameter(fault) => Self::new(Code::InvalidParameter, fault.to_string()),
            Error::InvalidSeries(rule) => invalid_series(rule),
            Error::NoModel => Self::new(Code::ModelNotFound, "Model not found"),
            Error::NoVersion(version) => {
                Self::new(Code::ModelNotFound, format!("Model {version} not found"))
            }
            Error::NoAlias(alias) => {
                Self::new(Code::AliasNotFound, format!("Alias {alias} not found"))
            }
            Error::NotCached => Self::new(Code::NotCached, "The model is not in memory"),
            Error::NotLoaded(LoadError::Busy) => {
                Self::new(Code::Overloaded, "Too many models are being loaded")
                    .retry_after(RETRY_LOAD_AFTER)
            }
            Error::NotLoaded(LoadError::Store(error)) if !error.is_transient() => Self::internal(),
            Error::NotLoaded(_) => {
                let detail = "The model cannot be loaded at the moment";
                Self::new(Code::BackendUnavailable, detail).retry_after(RETRY_AFTER)
            }
        }
    }
}

/// `text` with a capital letter first.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    first.chain(letters.as_str().chars()).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use contract::SeriesId;
    use store::StoreError;

    use super::*;

    #[test]
    fn a_store_that_is_away_is_worth_trying_again_and_a_corrupt_model_is_not() {
        let refusal = |error: LoadError| {
            let problem = ProblemReply::from(Error::from(error));
            (problem.status.as_u16(), problem.retry_after.is_some())
        };
        for error in [LoadError::Busy, LoadError::TimedOut, LoadError::GivenUp] {
            assert_eq!(refusal(error), (503, true));
        }
        let for_good = StoreError::Swept {
            series: SeriesId::new("s").unwrap(),
            version: Version::new(1).unwrap(),
        };
        assert_eq!(refusal(LoadError::Store(Arc::new(for_good))), (500, false));
    }
}
