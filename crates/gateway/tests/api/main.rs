//! The gateway from outside: a real one on a free port, in front of backends that do as the test says.

mod access;
mod budgets;
mod client;
mod detections;
mod door;
mod encoding;
mod fake;
mod faults;
mod fits;
mod forwarding;
mod health;
mod hostile;
mod local;
mod overload;
mod pipelined;
mod reuse;
mod revisions;
mod series;
mod token;
