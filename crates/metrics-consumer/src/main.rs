//! Counts what services measured into the running figures.

use clap::Parser;
use metrics_consumer::Config;
use service::{shutdown, task, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    telemetry::init(&config.telemetry)?;
    task::init_main();
    metrics_consumer::run(config, shutdown::on_signal()?).await
}
