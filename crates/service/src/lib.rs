//! The parts that every service shares: telemetry, health, background tasks, shutdown.

pub mod admin;
pub mod admission;
pub mod clock;
pub mod error_form;
mod exposition;
pub mod figures;
pub mod file_stamp;
pub mod health;
pub mod listen;
pub mod page;
pub mod port;
pub mod prefixes;
pub mod retry;
pub mod routes;
pub mod series;
pub mod shutdown;
pub mod start;
pub mod system;
pub mod task;
pub mod telemetry;
pub mod work;
