//! Flows through all services, put together in one process over the embedded backends.
//!
//! A test that needs signals, or a second process on the same folder, runs the real program ([`program::Program`]); the rest runs in the
//! process of the test ([`testkit::Platform`]).

mod access;
mod azure;
mod backup;
mod command;
mod contract;
mod differential;
mod document;
mod durability;
mod erase;
mod events;
mod feedback;
mod fits;
mod health;
mod notifications;
mod open_inference;
mod overload;
mod overview;
mod plots;
mod points;
mod program;
mod registry;
mod remote_write;
mod start;
mod stop;
mod streams;
mod tls;
mod tracing;
