//! Fits models, numbers versions, draws plots.

use service::{shutdown, start::start};
use trainer::Config;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = start(|config: &Config| &config.telemetry)?;
    trainer::run(config, shutdown::on_signal()?).await
}
