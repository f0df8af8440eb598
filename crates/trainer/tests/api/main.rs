//! The trainer's HTTP interface over the embedded backends.

mod changes;
mod conditions;
mod detect_plot;
mod fit;
mod fixture;
mod guarantee;
mod once;
mod plot;
mod refusals;
mod registry;
mod retention;
mod room;
mod serving;
mod socket;
mod transfer;
