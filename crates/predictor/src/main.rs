//! Scores points by models in memory.

use clap::Parser;
use predictor::Config;
use service::{shutdown, task, telemetry};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    telemetry::init(&config.telemetry)?;
    task::init_main();
    predictor::run(config, shutdown::on_signal()?).await
}
