//! What is found reaches people and programs, at least once and under one id.
#![expect(clippy::unwrap_used, reason = "a helper's panic fails its test")]

mod alerts;
mod people;
mod platform;
mod programs;
mod sink;
mod trials;
