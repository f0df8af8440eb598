//! The HTTP server of every service: an accept loop over hyper with limits on everything that a
//! client can hold.

mod body;
mod buffered_io;
mod connection;
mod connections;
mod context;
mod fast;
mod final_response;
mod handler;
mod host;
mod http2;
mod json;
mod limits;
mod problem;
mod protocol_error;
mod query;
mod read_timeout;
mod server;
mod status;
mod stream;
mod tls;
mod token;

pub use body::{BodyFault, Start, body_fault, read_body, read_charged, read_start};
pub use context::{ClientAddress, REQUEST_ID, RequestContext, TRACEPARENT, with_context};
pub use fast::{Fallback, Fast, FastPath, FastRequest, Later, Note};
pub use handler::Handler;
pub use json::{JSON, json};
pub use problem::{Fallible, ProblemReply, method_not_allowed, not_found};
pub use query::{BadParameter, Query};
pub use server::{Listener, ServerConfig, serve};
pub use tls::{Tls, TlsFiles};
pub use token::{ServiceToken, TokenConfig};
