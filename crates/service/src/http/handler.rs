//! What answers requests: routes, and a shorter way for the busiest of them.

use std::{future::Future, pin::Pin, sync::Arc};

use axum::{Router, extract::Request, response::Response};
use http::Method;
use tower::Service;

use crate::http::RequestContext;

/// Answers requests. Cheap to clone; a [`Router`] is one.
#[derive(Clone)]
pub struct Handler {
    routes: Router,
    shortcut: Option<Shortcut>,
}

/// A route that is answered without routing.
#[derive(Clone)]
struct Shortcut {
    prefix: &'static str,
    answer: Arc<Answer>,
}

type Answer = dyn Fn(Request, Option<RequestContext>) -> Pin<Box<dyn Future<Output = Response> + Send>>
    + Send
    + Sync;

impl From<Router> for Handler {
    fn from(routes: Router) -> Self {
        Self {
            // State is put into the routes now, not once a request.
            routes: routes.with_state(()),
            shortcut: None,
        }
    }
}

impl Handler {
    /// Has `answer` take every `POST` to `prefix` and one more segment. It must answer as the routes would, which stay for all
    /// that is not quite that: routing alone costs about as much as judging a point.
    #[must_use]
    pub fn with_shortcut<F, Fut>(mut self, prefix: &'static str, answer: F) -> Self
    where
        F: Fn(Request, Option<RequestContext>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Response> + Send + 'static,
    {
        let answer: Arc<Answer> =
            Arc::new(move |request, context| Box::pin(answer(request, context)));
        self.shortcut = Some(Shortcut { prefix, answer });
        self
    }

    /// Answers `request`. Routes find the context among its extensions; on the shortcut it is handed over, because to put it there
    /// takes several allocations.
    pub async fn answer(&self, mut request: Request, context: Option<RequestContext>) -> Response {
        if let Some(shortcut) = &self.shortcut
            && shortcut.takes(&request)
        {
            return (shortcut.answer)(request, context).await;
        }
        if let Some(context) = context {
            request.extensions_mut().insert(context);
        }
        // Boxed, so that it does not make the future of the shortcut larger.
        let Ok(response) = Box::pin(self.routes.clone().call(request)).await;
        response
    }
}

impl Shortcut {
    fn takes(&self, request: &Request) -> bool {
        let segment = request.uri().path().strip_prefix(self.prefix);
        request.method() == Method::POST
            && segment.is_some_and(|segment| !segment.is_empty() && !segment.contains('/'))
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::post};
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn only_what_the_route_would_take_takes_the_shortcut() -> anyhow::Result<()> {
        let routes = Router::new()
            .route("/predict/{series}", post(async || "route"))
            .fallback(async || "fallback");
        let handler = Handler::from(routes)
            .with_shortcut("/predict/", async |_, _| Response::new(Body::from("short")));
        for (method, path, taken) in [
            ("POST", "/predict/a", "short"),
            ("POST", "/predict/a%2Fb?x=/", "short"),
            ("POST", "/predict/", "fallback"),
            ("POST", "/predict/a/", "fallback"),
            ("POST", "/predict/a/b", "fallback"),
            ("POST", "/predictor", "fallback"),
            ("GET", "/predict/a", ""),
        ] {
            let request = Request::builder().method(method).uri(path);
            let response = handler.answer(request.body(Body::empty())?, None).await;
            let body = response.into_body().collect().await?.to_bytes();
            assert_eq!(body, taken, "{method} {path}");
        }
        Ok(())
    }
}
