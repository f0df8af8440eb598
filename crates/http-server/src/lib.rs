//! The HTTP server of every service: an accept loop over hyper with limits on everything that a
//! client can hold.

mod body;
mod connection;
mod context;
mod fast;
mod fault;
mod handler;
mod lateness;
mod limits;
mod problem;
mod query;
mod server;
mod status;
mod wire;

pub use body::{BodyFault, body_fault, read_body};
pub use context::{REQUEST_ID, RequestContext, TRACEPARENT, with_context};
pub use fast::{Fast, FastPath, FastRequest, Instead, Later};
pub use handler::Handler;
pub use problem::{Fallible, ProblemReply, method_not_allowed, not_found};
pub use query::{BadParameter, Query};
pub use server::{Listener, ServerConfig, serve};
