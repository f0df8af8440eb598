//! Stores the points that models were fitted on.

use clap::Parser;
use service::{shutdown, task, telemetry};
use training_data_consumer::Config;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    telemetry::init(&config.telemetry)?;
    task::init_main();
    training_data_consumer::run(config, shutdown::on_signal()?).await
}
