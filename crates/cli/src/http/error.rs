//! What can go wrong between this client and a platform.

use std::{io, time::Duration};

use contract::Problem;

use super::BaseUrl;

/// As much is shown of a reply that makes no sense, in characters.
const SHOWN: usize = 200;

/// Why there is no reply to use.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No reply came.
    #[error("no answer from {url}: {source}")]
    Unreachable {
        /// The platform.
        url: BaseUrl,
        /// What happened instead.
        source: Box<ureq::Error>,
    },
    /// The platform said no.
    #[error("{}", refusal(.problem))]
    Refused {
        /// Why.
        problem: Box<Problem>,
        /// When it is worth another try, if ever.
        retry_after: Option<Duration>,
    },
    /// A reply that comes in lines ended too early.
    #[error("the reply of {url} broke off: {source}")]
    BrokenOff {
        /// The platform.
        url: BaseUrl,
        /// What happened.
        source: io::Error,
    },
    /// Something answered that is not the platform.
    #[error("{url} answered {status}, which is no reply of an anomaly detection platform: {start}")]
    Foreign {
        /// The platform's address.
        url: BaseUrl,
        /// The status of the reply.
        status: u16,
        /// How its body starts.
        start: String,
    },
}

impl ClientError {
    /// [`Self::Foreign`] for a reply that reads `body`.
    pub(crate) fn foreign(url: &BaseUrl, status: u16, body: &str) -> Self {
        Self::Foreign {
            url: url.clone(),
            status,
            start: body.chars().take(SHOWN).collect(),
        }
    }

    /// Whether the platform refused a request because it is too large.
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self, Self::Refused { problem, .. } if problem.status == 413)
    }
}

/// The problem as text: the sentence, then each fault, then the words to search logs for.
fn refusal(problem: &Problem) -> String {
    let mut text = format!("{} ({})", problem.detail, problem.status);
    for fault in &problem.errors {
        text.push_str("\n  ");
        text.push_str(&fault.detail);
    }
    text.push_str("\n  code: ");
    text.push_str(&problem.code);
    if let Some(id) = &problem.request_id {
        text.push_str(", request: ");
        text.push_str(id);
    }
    text
}
