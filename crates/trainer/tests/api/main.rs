//! The trainer's HTTP interface over the embedded backends.

mod detect_plot;
mod fit;
mod fixture;
mod guarantee;
mod plot;
mod socket;
