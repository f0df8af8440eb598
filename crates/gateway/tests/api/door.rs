//! A gateway that runs for one test.

use std::net::SocketAddr;

use clap::Parser;
use gateway::{Backends, Config, Gateway};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    client::{Client, Reply},
    fake::Fake,
};

/// A gateway with one worker, so that its connections to backends can be counted.
pub(crate) struct Door {
    pub(crate) addr: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) serving: JoinSet<anyhow::Result<()>>,
}

impl Door {
    /// A gateway in front of `trainer` and `predictor`, with further `arguments`.
    pub(crate) async fn open(
        trainer: &str,
        predictor: &str,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let config = Self::config(&[
            &[
                "--trainer-url",
                trainer,
                "--predictor-url",
                predictor,
                // Where the predictor is: a test of one of them needs no other fake.
                "--observer-url",
                predictor,
            ],
            arguments,
        ])?;
        let backends = Backends::of(&config)?;
        Self::start(config, backends).await
    }

    /// A gateway with `fake` as both services.
    pub(crate) async fn to(fake: &Fake) -> anyhow::Result<Self> {
        Self::open(&fake.url(), &fake.url(), &[]).await
    }

    pub(crate) fn config(arguments: &[&[&str]]) -> anyhow::Result<Config> {
        let fixed: &[&str] = &["gateway", "--worker-threads", "1"];
        let all = std::iter::once(&fixed).chain(arguments);
        Ok(Config::try_parse_from(
            all.flat_map(|arguments| arguments.iter()),
        )?)
    }

    pub(crate) async fn start(config: Config, backends: Backends) -> anyhow::Result<Self> {
        let address = ([127, 0, 0, 1], 0).into();
        let gateway = Gateway::bind(address, config.server, config.settings, backends).await?;
        let addr = gateway.addr();
        let shutdown = CancellationToken::new();
        let mut serving = JoinSet::new();
        serving.spawn(gateway.serve(shutdown.clone()));
        Ok(Self {
            addr,
            shutdown,
            serving,
        })
    }

    pub(crate) async fn client(&self) -> anyhow::Result<Client> {
        Client::connect(self.addr).await
    }

    pub(crate) async fn predict(&self, series: &str) -> anyhow::Result<Reply> {
        let mut client = self.client().await?;
        client.post(&format!("/predict/{series}"), POINT).await
    }

    pub(crate) async fn fit(&self, series: &str) -> anyhow::Result<Reply> {
        let mut client = self.client().await?;
        client.post(&format!("/fit/{series}"), POINTS).await
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Reply> {
        self.client().await?.get(path).await
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// The body of a prediction.
pub(crate) const POINT: &str = r#"{"timestamp":1,"value":2.5}"#;

/// The body of a fit.
pub(crate) const POINTS: &str = r#"{"timestamps":[1,2,3],"values":[1,2,3]}"#;

/// The address of a backend that refuses connections. No system gives this port to a listener that takes any.
pub(crate) const NOBODY: &str = "http://127.0.0.1:1";
