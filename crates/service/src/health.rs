//! Liveness and readiness: `/livez`, `/readyz` and `/readyz?verbose`.

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
use http::{StatusCode, header};
use http_server::ProblemReply;
use serde_json::json;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::task;

/// How long the answer of a dependency is good for.
const FRESH: Duration = Duration::from_secs(1);

/// Whether a service can take requests. Cheap to clone.
#[derive(Clone)]
pub struct Health {
    shutdown: CancellationToken,
    checks: Vec<Arc<Check>>,
}

/// What a failed check means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The service cannot work without: `/readyz` answers 503.
    Required,
    /// The service goes on with less: `/readyz` answers 200 and `?verbose` names it.
    Optional,
}

/// Whether `?verbose` tells what a dependency said when it failed.
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

    /// Adds a dependency. `check` is asked for at most `timeout` (a second is usual), and its answer kept for a second. It
    /// runs on the main runtime.
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

    /// `/livez` and `/readyz`. What a dependency said when it failed is for operators: here `?verbose` only says that it did.
    pub fn routes(&self) -> Router {
        self.routes_with(Errors::Hidden)
    }

    /// As [`Self::routes`], with the error of each dependency that failed: for the admin port.
    pub(crate) fn routes_for_operators(&self) -> Router {
        self.routes_with(Errors::Shown)
    }

    fn routes_with(&self, errors: Errors) -> Router {
        Router::new()
            .route("/livez", get(async || "ok\n"))
            .route("/readyz", get(readyz))
            .with_state((self.clone(), errors))
    }

    async fn ask(&self) -> Vec<Finding> {
        join_all(self.checks.iter().map(|check| check.ask())).await
    }
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
    let findings = health.ask().await;
    let missing: Vec<&str> = findings
        .iter()
        .filter(|f| f.need == Need::Required && f.answer.is_err())
        .map(|f| f.name)
        .collect();
    if verbose {
        return list(&findings, errors, stopping, missing.is_empty());
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

/// Every dependency with its answer, as JSON.
fn list(findings: &[Finding], errors: Errors, stopping: bool, complete: bool) -> Response {
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
    let dependencies: Vec<_> = findings.iter().map(|f| f.to_json(errors)).collect();
    let body = json!({ "status": status, "dependencies": dependencies }).to_string();
    (code, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

type Answer = Result<(), String>;
type Probe = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// A dependency.
struct Check {
    name: &'static str,
    need: Need,
    probe: Probe,
    last: Mutex<Option<(Instant, Answer)>>,
}

/// What a dependency answered.
struct Finding {
    name: &'static str,
    need: Need,
    answer: Answer,
}

impl Check {
    /// Its answer, at most a second old. Those who ask while it is being asked wait for the one answer.
    async fn ask(&self) -> Finding {
        let mut last = self.last.lock().await;
        let fresh = last.take_if(|(asked, _)| asked.elapsed() < FRESH);
        let (asked, answer) = match fresh {
            Some(known) => known,
            None => {
                let answer = task::on_main((self.probe)()).await;
                (Instant::now(), answer)
            }
        };
        *last = Some((asked, answer.clone()));
        Finding {
            name: self.name,
            need: self.need,
            answer,
        }
    }
}

impl Finding {
    fn to_json(&self, errors: Errors) -> serde_json::Value {
        let mut entry = json!({
            "name": self.name,
            "required": self.need == Need::Required,
            "ok": self.answer.is_ok(),
        });
        if let (Err(error), Errors::Shown) = (&self.answer, errors) {
            entry["error"] = error.as_str().into();
        }
        entry
    }
}
