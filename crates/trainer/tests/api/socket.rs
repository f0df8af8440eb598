//! The trainer on a port: serving, hanging up, stopping.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, ensure};
use clap::Parser;
use service::task;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;
use trainer::{Config, Settings, Trainer};

use crate::fixture::{Fixture, THREE, eventually};

/// A trainer that serves over the backends of `fixture`.
struct Serving {
    addr: SocketAddr,
    stop: CancellationToken,
    ended: JoinHandle<Option<anyhow::Result<()>>>,
}

impl Serving {
    async fn start(fixture: &Fixture) -> anyhow::Result<Self> {
        let config = Config::try_parse_from(["trainer", "--worker-threads=1"])?;
        let addr = "127.0.0.1:0".parse()?;
        let backends = fixture.backends.clone();
        let trainer = Trainer::bind(addr, config.server, Settings::default(), backends).await?;
        let stop = CancellationToken::new();
        Ok(Self {
            addr: trainer.addr(),
            ended: task::spawn("trainer", trainer.serve(stop.clone())),
            stop,
        })
    }

    async fn send(&self, request: &str) -> anyhow::Result<TcpStream> {
        let mut stream = TcpStream::connect(self.addr).await?;
        stream.write_all(request.as_bytes()).await?;
        Ok(stream)
    }

    async fn stopped(self) -> anyhow::Result<()> {
        self.stop.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(20), self.ended);
        ended.await??.context("trainer panicked")?
    }
}

fn fit_request() -> String {
    let length = THREE.len();
    format!(
        "POST /fit/s HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{THREE}"
    )
}

async fn begun(fixture: &Fixture) -> anyhow::Result<()> {
    eventually(async || {
        ensure!(fixture.models().await? == 1, "not begun");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn it_serves_fits_and_probes_and_stops() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let serving = Serving::start(&fixture).await?;
    for (request, status) in [
        (fit_request(), "HTTP/1.1 200"),
        (
            "GET /readyz HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n".to_owned(),
            "HTTP/1.1 200",
        ),
        (
            "GET /nowhere HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n".to_owned(),
            "HTTP/1.1 404",
        ),
    ] {
        let mut reply = String::new();
        serving
            .send(&request)
            .await?
            .read_to_string(&mut reply)
            .await?;
        assert!(reply.starts_with(status), "{request}: {reply}");
    }
    serving.stopped().await
}

#[tokio::test]
async fn a_stop_lets_the_fit_of_a_client_that_hung_up_come_to_its_end() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let serving = Serving::start(&fixture).await?;
    let held = fixture.hold_bus().await?;
    let stream = serving.send(&fit_request()).await?;
    begun(&fixture).await?;
    drop(stream);
    let release = async {
        tokio::task::yield_now().await;
        held.release().await
    };
    tokio::try_join!(serving.stopped(), release)?;
    assert_eq!(fixture.serving("s").await?.as_deref(), Some("v1"));
    Ok(())
}

#[tokio::test]
async fn a_stop_waits_for_the_reply_in_flight() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let serving = Serving::start(&fixture).await?;
    let held = fixture.hold_bus().await?;
    let mut stream = serving.send(&fit_request()).await?;
    begun(&fixture).await?;
    let mut reply = String::new();
    let read = async { Ok(stream.read_to_string(&mut reply).await?) };
    tokio::try_join!(serving.stopped(), held.release(), read)?;
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    assert!(reply.contains("x-series-revision: r1\r\n"), "{reply}");
    Ok(())
}
