//! Starts the whole platform.

use clap::Parser;
use service::{shutdown, task, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = standalone::Config::parse();
    telemetry::init(&config.telemetry)?;
    task::init_main();
    standalone::run(config, shutdown::on_signal()?).await
}
