//! Extractors: the parts of a request that every route of the registry reads, and the names in a
//! path.

use std::{convert::Infallible, fmt::Display, future::Future, mem, str::FromStr, sync::Arc};

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
    response::Response,
};
use contract::{AliasName, ProblemCode, VersionRef, header};
use http_server::{ProblemReply, Query, RequestContext};
use service::{series::SeriesPath, task::on_main};

use super::{etag::Conditions, reply::refusal};
use crate::{
    App,
    context::{ChangeContext, trace},
    error::Error,
    once::Key,
};

/// A request of the registry, without its path and body.
pub(crate) struct RegistryRequest {
    app: Arc<App>,
    context: Option<RequestContext>,
    query: String,
    conditions: Result<Conditions, Error>,
    key: Result<Option<Key>, Error>,
    refuses_foreign: bool,
}

impl FromRequestParts<Arc<App>> for RegistryRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self {
            app: Arc::clone(app),
            context: parts.extensions.get::<RequestContext>().cloned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            conditions: Conditions::of(&parts.headers),
            key: Key::of(&parts.headers),
            refuses_foreign: parts.headers.contains_key(header::FOREIGN_MODEL),
        })
    }
}

impl RegistryRequest {
    /// The state of the trainer.
    pub(super) fn app(&self) -> &App {
        &self.app
    }

    /// The query, of a route that takes parameters.
    pub(super) fn query(&self) -> &str {
        &self.query
    }

    /// The conditions of a request that reads.
    pub(super) fn conditions(self) -> Result<Conditions, Error> {
        self.conditions
    }

    /// The conditions of a request that reads, and takes no parameters.
    pub(super) fn reads(self) -> Result<Conditions, Error> {
        Query::none(Some(&self.query))?;
        self.conditions
    }

    /// The key of a request that has one.
    pub(super) fn take_key(&mut self) -> Result<Option<Key>, Error> {
        mem::replace(&mut self.key, Ok(None))
    }

    /// Whether the client may not import foreign models.
    pub(super) fn refuses_foreign(&self) -> bool {
        self.refuses_foreign
    }

    /// The context of a change that takes no parameters.
    pub(super) fn changes(self) -> Result<ChangeContext, Error> {
        Query::none(Some(&self.query))?;
        Ok(ChangeContext {
            when: self.conditions?.change()?,
            trace: trace(self.context.as_ref()),
            once: None,
        })
    }

    /// The reply that comes of `work`, which runs on the main runtime, where the connections to the
    /// database are. It runs to its end whether or not the client stays, and a stop waits for it.
    pub(super) async fn answer<F, Fut>(self, work: F) -> Response
    where
        F: FnOnce(Arc<App>, Self) -> Fut,
        Fut: Future<Output = Result<Response, Error>> + Send + 'static,
    {
        let context = self.context.clone();
        let app = Arc::clone(&self.app);
        let in_flight = app.in_flight.clone();
        let answer = on_main(in_flight.track_future(work(app, self))).await;
        answer.unwrap_or_else(|error| refusal(error, context.as_ref()))
    }

    /// The reply that `error` is.
    pub(super) fn refuse(&self, error: Error) -> Response {
        refusal(error, self.context.as_ref())
    }
}

/// The `{version}` of a route: a version or an alias.
pub(crate) struct ModelPath(pub(super) VersionRef);

/// The `{alias}` of a route.
pub(crate) struct AliasPath(pub(super) AliasName);

impl<S: Send + Sync> FromRequestParts<S> for ModelPath {
    type Rejection = ProblemReply;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let reference = named(parts, state, "version", ProblemCode::InvalidVersion).await;
        reference.map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AliasPath {
    type Rejection = ProblemReply;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let name = named(parts, state, "alias", ProblemCode::InvalidAlias).await;
        name.map(Self)
    }
}

/// The parameter `name` of the path. If it is not valid, the problem has `code`. Extract it before
/// [`SeriesPath`], which would blame the series.
async fn named<T, S>(
    parts: &mut Parts,
    state: &S,
    name: &'static str,
    code: ProblemCode,
) -> Result<T, ProblemReply>
where
    T: FromStr<Err: Display>,
    S: Send + Sync,
{
    let refused = |why: &dyn Display| {
        let detail = format!("Invalid {name}: {why}");
        ProblemReply::new(code, detail)
    };
    let params = match RawPathParams::from_request_parts(parts, state).await {
        Ok(params) => params,
        // axum decodes parameters while routing. What can fail here is a parameter that is not
        // UTF-8.
        Err(fault) if fault.to_string().contains(&format!("`{name}`")) => {
            return Err(refused(&"it is not UTF-8"));
        }
        Err(_) => {
            let series = SeriesPath::from_request_parts(parts, state).await;
            return Err(series
                .err()
                .unwrap_or_else(|| refused(&"it cannot be read")));
        }
    };
    let found = params.iter().find(|(key, _)| *key == name);
    let (_, text) = found.unwrap_or_default();
    text.parse().map_err(|why: T::Err| refused(&why))
}
