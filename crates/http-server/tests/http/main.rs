//! The HTTP server, over real sockets.

mod context;
mod fast;
mod http2;
mod lifecycle;
mod protocol;
mod support;
mod tls;
mod token;
