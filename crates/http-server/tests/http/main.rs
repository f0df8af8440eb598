//! The HTTP server, over real sockets.

mod context;
mod fast;
mod lifecycle;
mod protocol;
mod support;
mod tls;
mod token;
