//! The start of every program: its settings, its log.

use clap::Parser;

use crate::{
    task,
    telemetry::{self, TelemetryConfig},
};

/// Reads the settings of this program, starts logs and traces as `telemetry` of them says, and makes
/// this runtime the main one. A wrong setting ends the process.
///
/// # Errors
/// When logging was started before, or traces have no valid address.
pub fn start<C: Parser>(telemetry: impl Fn(&C) -> &TelemetryConfig) -> anyhow::Result<C> {
    let settings::Read { config, warnings } = settings::read::<C>();
    let about = telemetry(&config);
    telemetry::init(about)?;
    telemetry::export_traces(about, C::command().get_name())?;
    task::init_main();
    for warning in warnings {
        tracing::warn!(warning, "a variable is ignored");
    }
    Ok(config)
}
