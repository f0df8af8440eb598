//! Tells people and programs of anomalies.

use notifier::Config;
use service::{shutdown, start::start};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = start(|config: &Config| &config.telemetry)?;
    notifier::run(config, shutdown::on_signal()?).await
}
