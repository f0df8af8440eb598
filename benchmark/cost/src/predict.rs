//! A prediction on its whole way through a process: from the bytes that a server receives to those
//! that it sends.

use anyhow::{Context, Result, ensure};
use axum::{body::Body, extract::Request};
use clap::Parser;
use http_server::Handler;
use standalone::{Config, Standalone};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A platform that answers and does nothing else.
pub(crate) struct Platform {
    handler: Handler,
    request: String,
    // Dropped in this order.
    _standalone: Standalone,
    _runtime: Runtime,
    _folder: TempDir,
}

const HEAD: &str = "POST /predict/sensor_01 HTTP/1.1\r\nhost: 127.0.0.1:8080\r\ncontent-type: application/json\r\n\
    content-length: 40\r\n";
const BODY: &str = "\r\n{\"timestamp\": 1693460000, \"value\": 10.5}";

const SECRET: &str = "anomaly_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
/// The key with this secret: for some series, and with limits that nobody reaches.
const KEY: &str = r#"{"id":"k","name":"cost","sha256":"b5d9a9c0bebfc6e3c10be85cc290d055abb298a9059d2f3a987b059669048fb9","scopes":["predict","fit"],
    "series":["machine_","sensor_"],"requests_per_second":1e9,"bytes_per_second":1e12}"#;

impl Platform {
    /// A platform with one series, whose model is in memory; with API keys if `has_keys`.
    pub(crate) fn new(has_keys: bool) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let keys = folder.path().join("keys");
        std::fs::write(&keys, KEY.replace('\n', ""))?;
        let mut arguments = vec!["standalone".into()];
        let mut authorization = String::new();
        if has_keys {
            arguments.extend(["--api-keys-file".into(), keys.into_os_string()]);
            authorization = format!("authorization: Bearer {SECRET}\r\n");
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let Config {
            server, settings, ..
        } = Config::try_parse_from(arguments)?;
        let address = ([127, 0, 0, 1], 0).into();
        let standalone =
            runtime.block_on(Standalone::bind(address, server, settings, folder.path()))?;
        let handler = standalone.handler();
        runtime.block_on(async {
            let fit = r#"{"timestamps": [1, 2, 3, 4], "values": [10.1, 10.4, 10.2, 10.3], "detector": "sigma"}"#;
            let point = r#"{"timestamp": 5, "value": 10.2}"#;
            for (path, body) in [("/fit/sensor_01", fit), ("/predict/sensor_01", point)] {
                let request = Request::post(path).header("x-api-key", SECRET);
                let request = request.body(Body::from(body))?;
                let status = handler.answer(request).await.status();
                ensure!(status.is_success(), "{path}: {status}");
            }
            Ok(())
        })?;
        Ok(Self {
            handler,
            request: format!("{HEAD}{authorization}{BODY}"),
            _standalone: standalone,
            _runtime: runtime,
            _folder: folder,
        })
    }

    /// Answers `n` requests, as many at a time as a server reads at once.
    pub(crate) fn predict(&self, n: usize) -> Result<()> {
        let path = self.handler.fast_path().context("no fast path")?;
        let mut replies = Vec::new();
        let mut left = n;
        while left > 0 {
            let now = left.min(64);
            let requests = self.request.repeat(now);
            replies.clear();
            let used = path.answer_all(requests.as_bytes(), &mut replies);
            ensure!(used == requests.len(), "{used} bytes were answered");
            left -= now;
        }
        Ok(())
    }
}
