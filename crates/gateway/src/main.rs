//! Starts the gateway.

use gateway::Config;
use service::{shutdown, start::start};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = start(|config: &Config| &config.telemetry)?;
    gateway::run(config, shutdown::on_signal()?).await
}
