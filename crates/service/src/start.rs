//! The start of every program: its settings, its log.

use clap::Parser;

use crate::{
    task,
    telemetry::{self, TelemetryConfig},
};

/// Reads the settings of this program, starts logging as `telemetry` of them says, and makes this
/// runtime the main one. A wrong setting ends the process.
///
/// # Errors
/// When logging was started before.
pub fn start<C: Parser>(telemetry: impl Fn(&C) -> &TelemetryConfig) -> anyhow::Result<C> {
    let settings::Read { config, warnings } = settings::read::<C>();
    telemetry::init(telemetry(&config))?;
    task::init_main();
    for warning in warnings {
        tracing::warn!(warning, "a variable is ignored");
    }
    Ok(config)
}
