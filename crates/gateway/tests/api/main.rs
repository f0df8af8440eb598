//! The gateway from outside: a real one on a free port, in front of backends that do as the test says.

mod client;
mod door;
mod fake;

mod detections;
mod faults;
mod fits;
mod forwarding;
mod freshness;
mod health;
mod hostile;
mod lane;
mod local;
mod overload;
mod reuse;
mod series;
