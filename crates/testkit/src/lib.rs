//! For tests: start a platform, call it, make series.
//!
//! [`Client`] sends what it is given and nothing else, so that a test says on the wire what it means. [`Platform`] is standalone
//! in the test's process, [`process`] runs real programs, and [`distributed`] all of them, over servers that tests share or over
//! [`servers`] of their own. [`compat`], [`hostile`] and [`registry`] are whole suites that run against any gateway, whatever stands behind it.

mod client;
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
mod wait;

pub use client::{Begun, Client};
pub use platform::Platform;
pub use reply::Reply;
pub use wait::eventually;
