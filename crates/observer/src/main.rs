//! Judges and learns points as they come.

use observer::Config;
use service::{shutdown, start::start};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = start(|config: &Config| &config.telemetry)?;
    observer::run(config, shutdown::on_signal()?).await
}
