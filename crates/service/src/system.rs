//! How much of the machine this process uses, from `/proc`.

use contract::SystemMetrics;

/// Samples the process; CPU is measured between two samples.
#[derive(Debug, Default)]
pub struct Sampler(());

impl Sampler {
    /// The use since the last call (or since the start of the process), zeros where `/proc` does not tell.
    pub fn sample(&self) -> SystemMetrics {
        todo!()
    }
}
