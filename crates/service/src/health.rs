//! Liveness and readiness: `/livez`, `/readyz` and `/readyz?verbose`, also under the names that
//! load balancers and model servers use.

mod check;
mod worked;

use std::{fmt::Display, future::Future, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
    routing::get,
};
use contract::ProblemCode;
use futures_util::future::join_all;
use http::StatusCode;
use http_server::ProblemReply;
use serde_json::json;
use tokio_util::sync::CancellationToken;

pub use check::LATEST;
use check::{Check, CheckResult};
pub use worked::Worked;

/// The paths of liveness: ours, Google's, that of SageMaker, and that of the Open Inference Protocol.
const LIVE: [&str; 4] = ["/livez", "/healthz", "/ping", "/v2/health/live"];
/// The paths of readiness: ours, and that of the Open Inference Protocol.
const READY: [&str; 2] = ["/readyz", "/v2/health/ready"];
/// All of them.
pub(crate) const PATHS: [&str; 6] = [LIVE[0], LIVE[1], LIVE[2], LIVE[3], READY[0], READY[1]];

/// Whether a service can take requests. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    shutdown: CancellationToken,
    checks: Vec<Arc<Check>>,
    worked: Worked,
}

/// The consequence of a failed check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The service cannot work without the dependency: `/readyz` answers 503.
    Required,
    /// The service works without the dependency: `/readyz` answers 200, and `?verbose` names it.
    Optional,
}

/// Whether `?verbose` shows the errors of failed checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Errors {
    Hidden,
    Shown,
}

/// Whether a service can take requests, and which of its dependencies answer.
pub(crate) struct Standing {
    pub(crate) ready: bool,
    pub(crate) dependencies: Vec<(&'static str, bool)>,
}

impl Health {
    /// Ready until `shutdown` is cancelled.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self {
            shutdown,
            checks: Vec::new(),
            worked: Worked::default(),
        }
    }

    /// Takes `worked` as proof that the dependencies added from now on do not fail, only because a
    /// check of them is late.
    #[must_use]
    pub fn proven_by(self, worked: &Worked) -> Self {
        let worked = worked.clone();
        Self { worked, ..self }
    }

    /// Adds a dependency. `check` has `timeout` (a second is usual), and its result is kept for a
    /// second. A check that takes longer goes on for up to five seconds, and a dependency that
    /// answered or did its work less than five seconds ago is only slow. A failure counts at once.
    /// It runs on the main runtime.
    #[must_use]
    pub fn with<F, Fut, E>(
        self,
        name: &'static str,
        need: Need,
        timeout: Duration,
        check: F,
    ) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: Display,
    {
        let worked = self.worked.clone();
        self.add(Check::new([name], need, timeout, worked, move || {
            let answer = check();
            async move { [answer.await.map_err(|error| error.to_string())] }
        }))
    }

    /// As [`Self::with`], for a dependency and what has to be in it: the two `names` share one
    /// question. `answered` tells of an error whether the dependency itself is there.
    #[must_use]
    pub fn with_contents<F, Fut, E>(
        self,
        names: [&'static str; 2],
        timeout: Duration,
        check: F,
        answered: fn(&E) -> bool,
    ) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + 'static,
    {
        let worked = self.worked.clone();
        self.add(Check::new(
            names,
            Need::Required,
            timeout,
            worked,
            move || {
                let answer = check();
                async move {
                    match answer.await {
                        Ok(()) => [Ok(()), Ok(())],
                        Err(error) if answered(&error) => [Ok(()), Err(chain(error))],
                        Err(error) => {
                            let error = chain(error);
                            [Err(error.clone()), Err(error)]
                        }
                    }
                }
            },
        ))
    }

    fn add(mut self, check: Check) -> Self {
        self.checks.push(Arc::new(check));
        self
    }

    /// `/livez` and `/readyz` with their other names. The errors of dependencies are for operators: here `?verbose` only
    /// shows which ones failed.
    pub fn routes(&self) -> Router {
        self.routes_with(Errors::Hidden)
    }

    /// The same with the errors of the dependencies that failed, for the admin port.
    pub(crate) fn routes_for_operators(&self) -> Router {
        self.routes_with(Errors::Shown)
    }

    fn routes_with(&self, errors: Errors) -> Router {
        let live = LIVE.map(|path| (path, get(async || "ok\n")));
        let ready = READY.map(|path| (path, get(readyz)));
        live.into_iter()
            .chain(ready)
            .fold(Router::new(), |router, (path, answer)| {
                router.route(path, answer)
            })
            .with_state((self.clone(), errors))
    }

    /// Checks every dependency once, so that the log says from the start which of them fail and why.
    pub(crate) async fn first_check(self) {
        self.check_all().await;
    }

    /// What `/readyz?verbose` would say now.
    pub(crate) async fn standing(&self) -> Standing {
        let results = self.check_all().await;
        let complete = results.iter().all(|result| !result.is_missing());
        Standing {
            ready: complete && !self.shutdown.is_cancelled(),
            dependencies: results
                .iter()
                .map(|result| (result.name, result.outcome.is_ok()))
                .collect(),
        }
    }

    async fn check_all(&self) -> Vec<CheckResult> {
        let results = self.checks.iter().map(Check::results);
        join_all(results).await.into_iter().flatten().collect()
    }
}

/// What `error` says, and what its sources add to that: for a check.
pub fn chain(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = error.source();
    }
    text
}

async fn readyz(
    State((health, errors)): State<(Health, Errors)>,
    RawQuery(query): RawQuery,
) -> Response {
    let stopping = health.shutdown.is_cancelled();
    let verbose = query.is_some_and(|query| {
        let mut keys = query.split('&').map(|pair| pair.split('=').next());
        keys.any(|key| key == Some("verbose"))
    });
    if stopping && !verbose {
        return shutting_down().into_response();
    }
    let results = health.check_all().await;
    let missing: Vec<&str> = results
        .iter()
        .filter(|result| result.is_missing())
        .map(|f| f.name)
        .collect();
    if verbose {
        return list(&results, errors, stopping, missing.is_empty());
    }
    if missing.is_empty() {
        return "ok\n".into_response();
    }
    let detail = format!("Not ready: no answer from {}", missing.join(", "));
    ProblemReply::new(ProblemCode::NotReady, detail).into_response()
}

fn shutting_down() -> ProblemReply {
    ProblemReply::new(ProblemCode::ShuttingDown, "The service is shutting down")
}

/// Every dependency with its result, as JSON.
fn list(results: &[CheckResult], errors: Errors, stopping: bool, complete: bool) -> Response {
    let (code, status) = match (stopping, complete) {
        (true, _) => (
            StatusCode::SERVICE_UNAVAILABLE,
            ProblemCode::ShuttingDown.as_str(),
        ),
        (false, false) => (
            StatusCode::SERVICE_UNAVAILABLE,
            ProblemCode::NotReady.as_str(),
        ),
        (false, true) => (StatusCode::OK, "ready"),
    };
    let dependencies: Vec<_> = results.iter().map(|f| f.to_json(errors)).collect();
    let body = json!({ "status": status, "dependencies": dependencies });
    (code, http_server::json(&body)).into_response()
}

impl CheckResult {
    /// Whether the service cannot work for want of it.
    fn is_missing(&self) -> bool {
        self.need == Need::Required && self.outcome.is_err()
    }

    fn to_json(&self, errors: Errors) -> serde_json::Value {
        let mut entry = json!({
            "name": self.name,
            "required": self.need == Need::Required,
            "ok": self.outcome.is_ok(),
        });
        if let (Err(error), Errors::Shown) = (&self.outcome, errors) {
            entry["error"] = error.as_str().into();
        }
        entry
    }
}
