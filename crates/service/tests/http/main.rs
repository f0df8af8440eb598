//! The HTTP server, over real sockets.

mod context;
mod health;
mod lifecycle;
mod protocol;
mod support;
