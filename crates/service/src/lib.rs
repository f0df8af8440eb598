//! What every service shares: HTTP server, problems, telemetry, health, shutdown.

pub mod admin;
pub mod admission;
pub mod health;
pub mod http;
pub mod retry;
pub mod series;
pub mod shutdown;
pub mod system;
pub mod task;
pub mod telemetry;
