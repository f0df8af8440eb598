//! Routers made from the table of the API.

use axum::{
    Router,
    routing::{MethodFilter, MethodRouter},
};
use contract::{ENDPOINTS, Endpoint, endpoint};

/// A router for `endpoints`, each answered by what `handler` gives for it and its method.
pub fn router<'a, S>(
    endpoints: impl IntoIterator<Item = &'a Endpoint>,
    handler: impl Fn(&'a Endpoint, MethodFilter) -> MethodRouter<S>,
) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let rows = endpoints.into_iter();
    rows.fold(Router::new(), |router, row| {
        router.route(row.path, handler(row, filter(row.method)))
    })
}

/// The calls that `owner` answers.
pub fn of(owner: endpoint::Owner) -> impl Iterator<Item = &'static Endpoint> {
    ENDPOINTS.iter().filter(move |row| row.owner == owner)
}

fn filter(method: endpoint::Method) -> MethodFilter {
    match method {
        endpoint::Method::Get => MethodFilter::GET,
        endpoint::Method::Post => MethodFilter::POST,
        endpoint::Method::Put => MethodFilter::PUT,
        endpoint::Method::Delete => MethodFilter::DELETE,
    }
}
