//! Liveness and readiness: `/livez`, `/readyz` and `/readyz?verbose`, also under the names that
//! load balancers and model servers use.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

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
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::task;

/// How long the result of a check is used again.
const FRESH: Duration = Duration::from_secs(1);

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

impl Health {
    /// Ready until `shutdown` is cancelled.
    pub fn new(shutdown: CancellationToken) -> Self {
        Self {
            shutdown,
            checks: Vec::new(),
        }
    }

    /// Adds a dependency. `check` may take at most `timeout` (a second is usual), and its result is
    /// kept for a second. It runs on the main runtime.
    #[must_use]
    pub fn with<F, Fut, E>(
        mut self,
        name: &'static str,
        need: Need,
        timeout: Duration,
        check: F,
    ) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display,
    {
        let probe: Probe = Box::new(move || {
            let answer = check();
            Box::pin(async move {
                match tokio::time::timeout(timeout, answer).await {
                    Ok(answer) => answer.map_err(|error| error.to_string()),
                    Err(_) => Err(format!("no answer within {} ms", timeout.as_millis())),
                }
            })
        });
        self.checks.push(Arc::new(Check {
            name,
            need,
            probe,
            last: Mutex::new(None),
        }));
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

    async fn check_all(&self) -> Vec<CheckResult> {
        join_all(self.checks.iter().map(|check| check.result())).await
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
        .filter(|f| f.need == Need::Required && f.outcome.is_err())
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

type Outcome = Result<(), String>;
type Probe = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Outcome> + Send>> + Send + Sync>;

/// The check of one dependency.
struct Check {
    name: &'static str,
    need: Need,
    probe: Probe,
    last: Mutex<Option<(Instant, Outcome)>>,
}

/// The result of the check of one dependency.
struct CheckResult {
    name: &'static str,
    need: Need,
    outcome: Outcome,
}

impl Check {
    /// The result, at most a second old. Callers that come while the check runs wait for its
    /// result.
    async fn result(&self) -> CheckResult {
        let mut last = self.last.lock().await;
        let known = last.as_ref();
        let outcome = match known.filter(|(taken, _)| taken.elapsed() < FRESH) {
            Some((_, outcome)) => outcome.clone(),
            None => {
                let outcome = task::on_main((self.probe)()).await;
                self.report(known.is_some_and(|(_, outcome)| outcome.is_err()), &outcome);
                *last = Some((Instant::now(), outcome.clone()));
                outcome
            }
        };
        CheckResult {
            name: self.name,
            need: self.need,
            outcome,
        }
    }
}

impl Check {
    /// Says once that the dependency fails and why, and once that it works again.
    fn report(&self, has_failed: bool, outcome: &Outcome) {
        let dependency = self.name;
        match (has_failed, outcome) {
            (false, Err(error)) => tracing::warn!(dependency, error, "a dependency fails"),
            (true, Err(error)) => tracing::debug!(dependency, error, "a dependency still fails"),
            (true, Ok(())) => tracing::info!(dependency, "a dependency works again"),
            (false, Ok(())) => {}
        }
    }
}

impl CheckResult {
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
