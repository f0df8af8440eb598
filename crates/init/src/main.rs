//! Starts the init step.

use clap::Parser;
use service::{shutdown, task, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = init::Config::parse();
    telemetry::init(&config.telemetry)?;
    task::init_main();
    init::run(config, shutdown::on_signal()?).await
}
