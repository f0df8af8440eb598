//! Makes points for `run.py`: into Kafka as fast as it goes or at a rate, and over HTTP at a rate or
//! as fast as replies come. Prints one line of JSON.

mod http;
mod latency;
mod log;
mod points;

use clap::Parser;

#[derive(Parser)]
enum Command {
    /// Publishes points of many series, series by turns.
    Fill(log::Fill),
    /// Publishes points and reads them back: what a verdict costs at least.
    Roundtrip(log::Roundtrip),
    /// Asks for verdicts over HTTP.
    Observe(http::Observe),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let result = match Command::parse() {
        Command::Fill(fill) => fill.run().await?,
        Command::Roundtrip(roundtrip) => roundtrip.run().await?,
        Command::Observe(observe) => observe.run().await?,
    };
    println!("{result}");
    Ok(())
}
