//! Errors of calls.

use std::{io, time::Duration};

use contract::{Problem, ProblemCode};

use super::BaseUrl;

/// At most this many characters of a foreign reply are shown.
const SHOWN: usize = 200;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No reply came.
    #[error("no answer from {url}: {source}")]
    Unreachable {
        /// The address of the platform.
        url: BaseUrl,
        /// The cause of the failure.
        source: Box<ureq::Error>,
    },
    /// The platform refused the request.
    #[error("{}", refusal(.problem))]
    Refused {
        /// The problem that the platform describes.
        problem: Box<Problem>,
        /// The time until another try, if one is worth it.
        retry_after: Option<Duration>,
    },
    /// A reply of lines ended too early.
    #[error("the reply of {url} broke off: {source}")]
    BrokenOff {
        /// The address of the platform.
        url: BaseUrl,
        /// The cause of the failure.
        source: io::Error,
    },
    /// The answer is not from a platform.
    #[error("{url} answered {status}, and not like an anomaly detection platform: {start}")]
    Foreign {
        /// The platform's address.
        url: BaseUrl,
        /// The status of the reply.
        status: u16,
        /// The start of its body.
        start: String,
    },
}

impl ClientError {
    /// [`Self::Foreign`] for a reply with `body`.
    pub(crate) fn foreign(url: &BaseUrl, status: u16, body: &str) -> Self {
        Self::Foreign {
            url: url.clone(),
            status,
            start: body.chars().take(SHOWN).collect(),
        }
    }

    /// Whether the same call may succeed soon.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::BrokenOff { .. } => true,
            Self::Refused { problem, .. } => {
                matches!(problem.status, 429 | 502 | 503 | 504)
                    && problem.code != ProblemCode::TooManyStreams.as_str()
            }
            Self::Foreign { status, .. } => matches!(status, 502..=504),
        }
    }

    /// Whether the platform has no such thing.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { problem, .. } if problem.status == 404)
    }

    /// The time until another try, if the platform has said it.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether the platform refused a request because it is too large.
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self, Self::Refused { problem, .. } if problem.status == 413)
    }
}

/// The problem as text: its sentence, each fault, and then the code and the request id, which logs
/// have.
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
