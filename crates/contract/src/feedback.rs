//! What people say of anomalies, and how many they want to be told of.

use serde::{Deserialize, Serialize};

use crate::{
    BadJson, Moment,
    fields::fields,
    json::{self, Body, Notes},
    verdict::words,
};

/// The longest comment, in bytes.
const MAX_COMMENT: usize = 1_000;

words! {
    /// What somebody says of an anomaly.
    FeedbackVerdict {
        /// It was one. The next fit of the series leaves its points out.
        Confirmed = "confirmed",
        /// It was none that anybody wants to hear of.
        Dismissed = "dismissed",
    }
}

/// What somebody has said of an anomaly.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Feedback {
    /// What it is.
    pub verdict: FeedbackVerdict,
    /// Why; `null` if nothing was said.
    pub comment: Option<String>,
    /// When it was said.
    pub at: Moment,
}

/// The body of `PUT /v1/anomalies/{id}/feedback`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq)]
pub struct FeedbackRequest {
    /// What the anomaly is.
    pub verdict: FeedbackVerdict,
    /// Why.
    #[cfg_attr(
        feature = "schema",
        schemars(skip_serializing_if = "crate::schema::absent")
    )]
    pub comment: Option<String>,
}

fields! {
    /// The fields of a [`FeedbackRequest`].
    struct FeedbackFields {
        verdict: FeedbackVerdict,
        comment: Option<String>,
    }
}

impl FeedbackRequest {
    /// Reads a request body. An unknown field is refused.
    ///
    /// # Errors
    /// A message that names the field, line and column of the first fault.
    pub fn parse(body: &[u8]) -> Result<Self, BadJson> {
        json::parse(body).map(|parsed| parsed.body)
    }
}

impl Body for FeedbackRequest {
    type Fields = FeedbackFields;
    const CONTENT: &'static str = "verdict and comment";
    const STRICT: bool = true;

    fn build(fields: FeedbackFields, _: &mut Notes) -> Result<Self, String> {
        let comment = fields.comment.unwrap_or_default();
        if comment.len() > MAX_COMMENT {
            let n = comment.len();
            return Err(format!("comment: {n} bytes are more than {MAX_COMMENT}"));
        }
        if comment.contains('\0') {
            return Err("comment: it has a NUL".to_owned());
        }
        Ok(Self {
            verdict: fields.verdict,
            comment: Some(comment).filter(|comment| !comment.is_empty()),
        })
    }
}

words! {
    /// Why people are not told of an anomaly of a series that is not silenced.
    HeldBack {
        /// It is no stronger than one that somebody has dismissed in the last 30 days.
        Dismissed = "dismissed",
        /// As many as people want to be told of were told already, and it is no more severe.
        Budget = "budget",
    }
}

words! {
    /// The time that a budget is about.
    BudgetPeriod {
        /// 24 hours.
        Day = "day",
        /// Seven days.
        Week = "week",
        /// 30 days.
        Month = "month",
    }
}

impl BudgetPeriod {
    /// Its length, in milliseconds.
    pub const fn milliseconds(self) -> i64 {
        let days = match self {
            Self::Day => 1,
            Self::Week => 7,
            Self::Month => 30,
        };
        days * 86_400_000
    }
}

/// The most anomalies of a series that people want to be told of.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// The number of anomalies, 1 to 10,000.
    pub alarms: u16,
    /// In any time of this length.
    pub per: BudgetPeriod,
}

impl Budget {
    /// Checks the number.
    ///
    /// # Errors
    /// A sentence that names it.
    pub fn check(&self) -> Result<(), String> {
        match self.alarms {
            1..=10_000 => Ok(()),
            n => Err(format!("budget: alarms: {n} is not from 1 to 10000")),
        }
    }
}

/// How many anomalies people were told of, beside how many they want to be.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FalseAlarms {
    /// How many they want to be told of; `null` if nobody has said.
    pub asked: Option<Budget>,
    /// The anomalies that they were told of since `since`.
    pub told: u64,
    /// Those of them that were dismissed.
    pub dismissed: u64,
    /// The anomalies since `since` that they were not told of because of the budget.
    pub over_budget: u64,
    /// Those because a similar one was dismissed.
    pub held_back: u64,
    /// What the numbers begin with: 14 days ago.
    pub since: Moment,
    /// `told` a week.
    pub per_week: f64,
    /// Only anomalies with a greater ratio are told of at the moment, since others were dismissed;
    /// `null`: all are.
    pub notify_above: Option<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_is_short_and_may_be_left_out() {
        let parse = |body: &str| FeedbackRequest::parse(body.as_bytes()).map_err(|e| e.to_string());
        let said = parse(r#"{"verdict":"confirmed","comment":""}"#);
        let expected = FeedbackRequest {
            verdict: FeedbackVerdict::Confirmed,
            comment: None,
        };
        assert_eq!(said, Ok(expected));
        let long = format!(
            r#"{{"verdict":"dismissed","comment":"{}"}}"#,
            "x".repeat(1_001)
        );
        for (body, fault) in [
            ("{}", "missing field `verdict`"),
            (r#"{"verdict":"good"}"#, "verdict: unknown variant `good`"),
            (
                r#"{"verdict":"dismissed","comment":"\u0000"}"#,
                "comment: it has a NUL",
            ),
            (&long, "comment: 1001 bytes are more than 1000"),
            (r#"{"verdict":"dismissed","by":"me"}"#, "unknown field `by`"),
        ] {
            let said = parse(body).unwrap_err();
            assert!(said.contains(fault), "{body}: {said}");
        }
    }
}
