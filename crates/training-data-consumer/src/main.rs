//! Stores the points that models were fitted on.

use service::{shutdown, start::start};
use training_data_consumer::Config;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = start(|config: &Config| &config.telemetry)?;
    training_data_consumer::run(config, shutdown::on_signal()?).await
}
