//! `/v1/series`: which series and models there are, which of them judges, and models as files.
//!
//! Strict: what is not known in a query or a body is refused by name. Every reply about a series carries its revision as ETag,
//! every change takes `If-Match`, tells predictors, and says the new revision to the gateway.

mod changes;
mod etag;
mod extract;
mod file;
mod import;
mod query;
mod reply;
mod routes;

pub(crate) use changes::{Demand, Registry};
pub(crate) use etag::etag;
pub(crate) use reply::with_revision;
pub(crate) use routes::routes;
