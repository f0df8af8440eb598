//! Counts what services measured into the running figures.

use metrics_consumer::Config;
use service::{shutdown, start::start};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = start(|config: &Config| &config.telemetry)?;
    metrics_consumer::run(config, shutdown::on_signal()?).await
}
