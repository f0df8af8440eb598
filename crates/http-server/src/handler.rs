//! The routes of a service, and a faster way for the busiest of them.

use axum::{Router, extract::Request, response::Response};
use http::HeaderMap;
use tower::Service;

use crate::{FastPath, ServiceToken};

/// Answers requests. Cheap to clone; a [`Router`] is one.
#[derive(Clone)]
pub struct Handler {
    routes: Router,
    fast_path: Option<FastPath>,
    is_public: bool,
    /// What every request needs, but those for these paths.
    token: Option<(ServiceToken, &'static [&'static str])>,
}

impl From<Router> for Handler {
    fn from(routes: Router) -> Self {
        Self {
            // State is put into the routes now, not once a request.
            routes: routes.with_state(()),
            fast_path: None,
            is_public: false,
            token: None,
        }
    }
}

impl Handler {
    /// Lets `fast_path` answer the requests that it can. The routes answer the others, and must
    /// give the same replies.
    #[must_use]
    pub fn with_fast_path(self, fast_path: FastPath) -> Self {
        Self {
            fast_path: Some(fast_path),
            ..self
        }
    }

    /// Adds headers to all replies that protect browsers: for a server that users call.
    #[must_use]
    pub fn public(self) -> Self {
        Self {
            fast_path: self.fast_path.map(FastPath::public),
            is_public: true,
            ..self
        }
    }

    /// Answers only requests with `token`, if there is one, and those for the paths in `open`.
    #[must_use]
    pub fn demanding(self, token: Option<ServiceToken>, open: &'static [&'static str]) -> Self {
        Self {
            fast_path: self.fast_path.map(|path| path.demanding(token.clone())),
            token: token.map(|token| (token, open)),
            ..self
        }
    }

    /// Whether it answers a request for `path` with these `headers`.
    pub(super) fn admits(&self, path: &str, headers: &HeaderMap) -> bool {
        self.token
            .as_ref()
            .is_none_or(|(token, open)| open.contains(&path) || token.admits_headers(headers))
    }

    pub(super) fn is_public(&self) -> bool {
        self.is_public
    }

    /// The fast path, if there is one.
    pub fn fast_path(&self) -> Option<&FastPath> {
        self.fast_path.as_ref()
    }

    /// Answers `request` by the routes.
    pub async fn answer(&self, request: Request) -> Response {
        let Ok(response) = self.routes.clone().call(request).await;
        response
    }
}
