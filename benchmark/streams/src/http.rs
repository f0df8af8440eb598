//! Points over HTTP, one in a request.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    task::JoinSet,
    time::sleep_until,
};

use crate::{latency, points};

#[derive(clap::Args)]
pub(crate) struct Observe {
    /// The port on this machine.
    #[arg(long)]
    port: u16,
    /// The path before the id of the series.
    #[arg(long, default_value = "/observe")]
    path: String,
    /// The number of connections, which share the series.
    #[arg(long, default_value_t = 64)]
    connections: u64,
    /// The number of series.
    #[arg(long, default_value_t = 1_000)]
    series: u64,
    /// The number of the first point of each.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Requests a second; without it each connection asks again once it has its reply.
    #[arg(long)]
    rate: Option<f64>,
    /// The length of the run.
    #[arg(long)]
    seconds: f64,
}

impl Observe {
    pub(crate) async fn run(&self) -> anyhow::Result<Value> {
        let start = Instant::now() + Duration::from_millis(100);
        let end = start + Duration::from_secs_f64(self.seconds);
        let mut clients = JoinSet::new();
        for number in 0..self.connections {
            let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
            stream.set_nodelay(true)?;
            let client = Client {
                stream: BufReader::new(stream),
                number,
                connections: self.connections,
                path: self.path.clone(),
                series: self.series,
                from: self.from,
                rate: self.rate,
            };
            clients.spawn(client.run(start, end));
        }
        let (mut latencies, mut failed) = (Vec::new(), 0);
        while let Some(client) = clients.join_next().await {
            let (took, refused) = client??;
            latencies.extend(took);
            failed += refused;
        }
        Ok(latency::summary(latencies, failed, start.elapsed()))
    }
}

/// A connection with every so many-th of the requests.
struct Client {
    stream: BufReader<TcpStream>,
    number: u64,
    connections: u64,
    path: String,
    series: u64,
    from: u64,
    rate: Option<f64>,
}

impl Client {
    /// The latencies of the requests that got a verdict, and the number of the others.
    async fn run(mut self, start: Instant, end: Instant) -> anyhow::Result<(Vec<Duration>, u64)> {
        let (mut latencies, mut failed) = (Vec::new(), 0);
        sleep_until(start.into()).await;
        for turn in 0.. {
            let request = turn * self.connections + self.number;
            let due = match self.rate {
                Some(rate) => latency::due(start, request, rate),
                None => Instant::now(),
            };
            if due >= end {
                break;
            }
            sleep_until(due.into()).await;
            match self.ask(turn).await? {
                200 => latencies.push(due.elapsed()),
                _ => failed += 1,
            }
        }
        Ok((latencies, failed))
    }

    /// Sends the next point of one of this connection's series. Returns the status of the reply.
    async fn ask(&mut self, turn: u64) -> anyhow::Result<u16> {
        let mine = (self.series / self.connections).max(1);
        let series = self.number + self.connections * (turn % mine);
        let point = points::point(series, self.from + turn / mine);
        let (timestamp, value) = (point.timestamp, point.value);
        let body = format!(r#"{{"timestamp":{timestamp},"value":{value}}}"#);
        let (path, id, length) = (&self.path, points::series(series), body.len());
        let request = format!(
            "POST {path}/{id} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes()).await?;
        self.reply().await
    }

    async fn reply(&mut self) -> anyhow::Result<u16> {
        let (mut status, mut length, mut line) = (None, 0, String::new());
        loop {
            line.clear();
            if self.stream.read_line(&mut line).await? == 0 {
                bail!("the connection was closed");
            }
            let lower = line.trim_end().to_ascii_lowercase();
            if lower.is_empty() {
                break;
            }
            if status.is_none() {
                status = lower.split(' ').nth(1).map(str::parse).transpose()?;
            } else if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        status.context("a reply has a status")
    }
}
