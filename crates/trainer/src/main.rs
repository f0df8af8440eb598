//! Fits models, numbers versions, draws plots.

use clap::Parser;
use service::{shutdown, task, telemetry};
use trainer::Config;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    telemetry::init(&config.telemetry)?;
    task::init_main();
    trainer::run(config, shutdown::on_signal()?).await
}
