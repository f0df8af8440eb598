//! The predictor's HTTP interface over the embedded backends, called in process and once over a socket.

mod fixture;
#[path = "../support/mod.rs"]
mod support;

mod batches;
mod changes;
mod detections;
mod figures;
mod predictions;
mod versions;
