//! Scores points by models in memory.

use predictor::Config;
use service::{shutdown, start::start};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = start(|config: &Config| &config.telemetry)?;
    predictor::run(config, shutdown::on_signal()?).await
}
