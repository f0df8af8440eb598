//! For tests: starts a platform, calls it, generates series.
//!
//! [`Client`] sends exactly what it is given, so that a test decides what is on the wire.
//! [`Platform`] is standalone in the test's process. [`process`] runs real programs, and
//! [`distributed`] all of them, over shared servers or over [`servers`] that belong to one test.
//! [`columns`], [`compat`], [`hostile`] and [`registry`] are whole suites that run against the gateway of any
//! form of the platform.

mod client;
#[cfg(feature = "otlp")]
pub mod collector;
pub mod columns;
pub mod compat;
pub mod distributed;
pub mod exposition;
pub mod hostile;
pub mod load;
mod platform;
pub mod process;
pub mod registry;
mod reply;
pub mod series;
pub mod servers;
pub mod streams;
pub mod times;
mod wait;

pub use client::{Begun, Client};
pub use platform::Platform;
pub use reply::Reply;
pub use wait::eventually;
