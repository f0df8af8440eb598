//! `/v1/series`: series, their models and aliases, and models as files.
//!
//! Unknown parameters and fields are refused by name. Every reply about a series carries its
//! revision as its ETag. Every change takes `If-Match`, notifies predictors, and tells the gateway
//! the new revision.

mod changes;
mod etag;
mod extract;
mod file;
mod import;
mod query;
mod reply;
mod routes;

pub(crate) use changes::Registry;
pub(crate) use import::import;
pub(crate) use routes::{
    alias, delete_model, delete_series, export, list, model, models, remove_alias, roll_back,
    series, set_alias,
};
