//! The HTTP server of every service: an own accept loop over hyper with limits on everything a client can hold.

mod body;
mod context;
mod problem;
mod series;
mod server;

pub use body::read_body;
pub use context::{RequestContext, with_context};
pub use problem::{Fallible, ProblemReply, method_not_allowed, not_found};
pub use series::SeriesPath;
pub use server::{Listener, ServerConfig, serve};
