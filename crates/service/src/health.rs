//! Liveness and readiness: `/livez`, `/readyz` and `/readyz?verbose`.

use std::{future::Future, time::Duration};

use axum::Router;
use tokio_util::sync::CancellationToken;

/// Whether a service can take requests. Cheap to clone.
#[derive(Clone)]
pub struct Health(());

/// What a failed check means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The service cannot work without: `/readyz` answers 503.
    Required,
    /// The service goes on with less: `/readyz` answers 200 and `?verbose` names it.
    Optional,
}

impl Health {
    /// Ready until `shutdown` is cancelled.
    pub fn new(shutdown: CancellationToken) -> Self {
        todo!("{shutdown:?}")
    }

    /// Adds a dependency. `check` is asked for at most `timeout` (a second is usual), and its answer kept for a second.
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
        E: std::fmt::Display,
    {
        let _ = (name, need, timeout, check);
        todo!()
    }

    /// `/livez` and `/readyz`.
    pub fn routes(&self) -> Router {
        todo!()
    }
}
