//! Starts the init step.

use init::Config;
use service::{shutdown, start::start};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = start(|config: &Config| &config.telemetry)?;
    init::run(config, shutdown::on_signal()?).await
}
