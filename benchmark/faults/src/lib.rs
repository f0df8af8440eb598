//! Starts the real programs, keeps them busy, injects a fault, and checks that nothing that was
//! acknowledged is lost.
//!
//! A [`Scenario`] is a fault and what is expected of the platform. [`run()`] repeats it: clients note
//! what is acknowledged, the fault comes and goes, and a checker reads everything back through the
//! API and from the store.

mod check;
mod clients;
mod clock;
mod crowd;
mod damage;
mod disk;
mod fault;
mod journal;
mod platform;
mod proxy;
mod readiness;
mod report;
mod scenario;
mod session;
mod setup;
mod streams;

pub use report::{Outcome, record, table};
pub use scenario::{Form, Scenario, all};
pub use setup::run;
