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
    // Dropped in this order.
    _standalone: Standalone,
    _runtime: Runtime,
    _folder: TempDir,
}

const REQUEST: &[u8] = b"POST /predict/sensor_01 HTTP/1.1\r\nhost: 127.0.0.1:8080\r\ncontent-type: application/json\r\n\
    content-length: 40\r\n\r\n{\"timestamp\": 1693460000, \"value\": 10.5}";

impl Platform {
    /// A platform with one series, whose model is in memory.
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let Config {
            server, settings, ..
        } = Config::try_parse_from(["standalone"])?;
        let address = ([127, 0, 0, 1], 0).into();
        let standalone =
            runtime.block_on(Standalone::bind(address, server, settings, folder.path()))?;
        let handler = standalone.handler();
        runtime.block_on(async {
            let fit = r#"{"timestamps": [1, 2, 3, 4], "values": [10.1, 10.4, 10.2, 10.3], "detector": "sigma"}"#;
            let point = r#"{"timestamp": 5, "value": 10.2}"#;
            for (path, body) in [("/fit/sensor_01", fit), ("/predict/sensor_01", point)] {
                let request = Request::post(path).body(Body::from(body))?;
                let status = handler.answer(request).await.status();
                ensure!(status.is_success(), "{path}: {status}");
            }
            Ok(())
        })?;
        Ok(Self {
            handler,
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
            let requests = REQUEST.repeat(now);
            replies.clear();
            let used = path.answer_all(&requests, &mut replies);
            ensure!(used == requests.len(), "{used} bytes were answered");
            left -= now;
        }
        Ok(())
    }
}
