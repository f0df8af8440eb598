//! Starts the whole platform.

use standalone::Config;
use service::{shutdown, start::start};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = start(|config: &Config| &config.telemetry)?;
    standalone::run(config, shutdown::on_signal()?).await
}
