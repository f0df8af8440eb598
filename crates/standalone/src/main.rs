//! Starts the whole platform.

use service::{shutdown, start::start};
use standalone::Config;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = start(|config: &Config| &config.telemetry)?;
    standalone::run(config, shutdown::on_signal()?).await
}
