//! What crosses a process boundary: HTTP bodies, events and the ids in both.
//!
//! No I/O and no async. A field is added here as optional and never renamed; the wire form of every type is pinned by a test.

mod event;
mod fit;
mod health;
mod histogram;
mod id;
mod json;
mod predict;
mod problem;

pub use event::{
    DeadLetters, Event, InferenceBatch, MAX_POINTS_PER_PART, MetricsEvent, ModelEvent, Topic,
    TrainingData,
};
pub use fit::{FitReply, FitRequest};
pub use health::{
    Figures, HealthReply, LatencyMs, LoadFigures, PredictorHealth, ServiceRate, Status,
    SystemMetrics, Throughput, TrainerHealth,
};
pub use histogram::LatencyHistogram;
pub use id::{InvalidSeriesId, InvalidVersion, Point, SeriesId, Version};
pub use json::{BadJson, Parsed};
pub use predict::{PredictReply, PredictRequest};
pub use problem::{Fault, Problem};
