//! Requests that ask the database, and never an owner.

use axum::{http::request::Parts, response::Response};
use http_server::{Fallible, RequestContext};
use service::task::on_main;
use store::Store;

use crate::{App, error::Error};

/// The reply that comes of `work` on a request with this `head`. It runs where the connections to
/// the database are.
pub(crate) async fn ask<F, Fut>(app: &App, head: Parts, work: F) -> Fallible<Response>
where
    F: FnOnce(Store, Parts) -> Fut,
    Fut: Future<Output = Result<Response, Error>> + Send + 'static,
{
    let context = head.extensions.get::<RequestContext>().cloned();
    let reply = on_main(work(app.shared.store.clone(), head)).await;
    reply.map_err(|error| error.reply(context.as_ref()))
}
