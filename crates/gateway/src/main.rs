//! Starts the gateway.

use clap::Parser;
use gateway::Config;
use service::{shutdown, task, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    telemetry::init(&config.telemetry)?;
    task::init_main();
    gateway::run(config, shutdown::on_signal()?).await
}
