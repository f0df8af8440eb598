//! Calls without a reply: the problem for the client, and the line in the log.

use std::{error::Error as _, fmt::Write as _, time::Duration};

use axum::response::Response;
use contract::ProblemCode;
use http::StatusCode;
use http_server::{Fallible, ProblemReply};

use http_client::Error;

use crate::{metrics, throttle::Throttle};

/// When a client should try again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The problem for a client when `service` gave no reply.
pub(crate) fn no_reply(service: &'static str, error: Error) -> ProblemReply {
    let problem = match &error {
        Error::Client(problem) => return problem.clone(),
        Error::Overloaded => return ProblemReply::overloaded().retry_after(RETRY_AFTER),
        Error::Unreachable(_) | Error::Gone(_) => unavailable(),
        Error::Timeout(_) => {
            let detail = "The service did not answer in time";
            ProblemReply::new(ProblemCode::UpstreamTimeout, detail).retry_after(RETRY_AFTER)
        }
        Error::Broke(_) | Error::Bad(_) | Error::Unknown => {
            ProblemReply::new(ProblemCode::BadGateway, "The service gave no valid answer")
        }
    };
    let code = problem.code.as_str();
    metrics::FAILURES.with_label_values(&[code]).inc();
    if let Some(left_out) = THROTTLE.pass() {
        tracing::error!(service, code, left_out, error = chain(&error), "no reply");
    }
    problem
}

/// `response`, unless `service` refuses us because of the token that services share. That concerns
/// no client.
///
/// # Errors
/// When it does.
pub(crate) fn known(service: &'static str, response: Response) -> Fallible<Response> {
    if response.status() != StatusCode::UNAUTHORIZED {
        return Ok(response);
    }
    if let Some(left_out) = THROTTLE.pass() {
        tracing::error!(
            service,
            left_out,
            "SERVICE_TOKEN is not that of the service"
        );
    }
    let detail = "The service gave no valid answer";
    Err(ProblemReply::new(ProblemCode::BadGateway, detail))
}

/// The problem for a client when `service` gave no usable figures for the health check.
pub(crate) fn no_figures(service: &'static str, why: impl std::fmt::Display) -> ProblemReply {
    tracing::error!(service, %why, "no figures for the health check");
    unavailable()
}

fn unavailable() -> ProblemReply {
    let detail = "The service is not available";
    ProblemReply::new(ProblemCode::UpstreamUnavailable, detail).retry_after(RETRY_AFTER)
}

/// An error and its causes in one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// Keeps the log readable, and the disk free, while a service is unavailable and every request
/// fails.
static THROTTLE: Throttle = Throttle::new();

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use http_client::BadReply;

    #[test]
    fn a_client_hears_nothing_internal_and_the_log_hears_all() {
        let refused = Error::Unreachable(io::Error::other("10.0.0.7:9000: refused"));
        assert_eq!(
            chain(&refused),
            "no backend can be reached: 10.0.0.7:9000: refused"
        );
        let problem = no_reply("trainer", refused);
        assert_eq!(
            (problem.status.as_u16(), problem.code, &*problem.detail),
            (
                503,
                ProblemCode::UpstreamUnavailable,
                "The service is not available"
            )
        );
        assert!(problem.retry_after.is_some());
        let problem = no_reply("trainer", Error::Bad(BadReply::NoLength));
        assert_eq!(
            (problem.status.as_u16(), problem.code),
            (502, ProblemCode::BadGateway)
        );
        assert!(problem.retry_after.is_none());
    }
}
