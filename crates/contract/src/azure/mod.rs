//! The univariate API of Azure Anomaly Detector, whose clients go on working with another address.
//!
//! Names, limits and codes are those of its specification, versions 1.0 and 1.1. What differs is in
//! `docs/azure.md`.

mod grid;
mod reply;
mod request;

pub use grid::{Granularity, InvalidGrid};
pub use reply::{AzureChangeReply, AzureEntireReply, AzureLastReply};
pub use request::{AzureRequest, AzureTask, Imputation};

use serde::Serialize;

use crate::verdict::words;

words! {
    /// Why a request is refused.
    AzureCode {
        /// A field has a value that it cannot have.
        BadArgument = "BadArgument",
        /// The interval is not a positive number, or there is no granularity that it is of.
        InvalidCustomInterval = "InvalidCustomInterval",
        /// There is no such granularity.
        InvalidGranularity = "InvalidGranularity",
        /// There is no such way to fill gaps.
        InvalidImputeMode = "InvalidImputeMode",
        /// The value to fill gaps with is missing, or is no number.
        InvalidImputeFixedValue = "InvalidImputeFixedValue",
        /// The body is not the JSON that is asked for.
        InvalidJsonFormat = "InvalidJsonFormat",
        /// The ratio, the sensitivity, the threshold or the window is out of its range.
        InvalidModelArgument = "InvalidModelArgument",
        /// The period is negative, or no whole number.
        InvalidPeriod = "InvalidPeriod",
        /// The points are too few or too many, or their times are not those of the granularity.
        InvalidSeries = "InvalidSeries",
        /// There is no series.
        RequiredSeries = "RequiredSeries",
    }
}

/// The body of a refusal. Its code is in the header `x-ms-error-code`, too.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AzureError {
    /// The reason as a word.
    pub code: String,
    /// The reason as a sentence.
    pub message: String,
}

impl AzureError {
    /// The header that repeats the code.
    pub const HEADER: &'static str = "x-ms-error-code";

    pub(crate) fn new(code: AzureCode, message: impl Into<String>) -> Self {
        Self {
            code: code.as_str().to_owned(),
            message: message.into(),
        }
    }
}
