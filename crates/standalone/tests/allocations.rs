//! Counts the allocations of a prediction.

use anyhow::ensure;
use axum::{body::Body, extract::Request};
use clap::Parser;
use standalone::{Config, Standalone};

const REQUEST: &[u8] = b"POST /predict/s HTTP/1.1\r\nhost: h\r\ncontent-length: 30\r\n\r\n{\"timestamp\":5,\"value\":10.2  }";

/// Gateway and predictor, from the bytes of a connection to those of the reply.
#[test]
fn a_prediction_from_memory_allocates_nothing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let config = Config::try_parse_from(["standalone"])?;
    let address = ([127, 0, 0, 1], 0).into();
    let standalone = runtime.block_on(Standalone::bind(
        address,
        config.server,
        config.settings,
        folder.path(),
    ))?;
    let handler = standalone.handler();
    // Fitted through this gateway, which so knows a revision that the predictor must not be behind.
    let fit = r#"{"timestamps": [1, 2, 3], "values": [10.1, 10.4, 10.2], "detector": "sigma"}"#;
    for (path, body) in [
        ("/fit/s", fit),
        ("/predict/s", r#"{"timestamp":5,"value":10.2}"#),
    ] {
        let request = Request::post(path).body(Body::from(body))?;
        let status = runtime.block_on(handler.answer(request)).status();
        ensure!(status.is_success(), "{path}: {status}");
    }
    let path = handler.fast_path().expect("standalone has one");
    let allocations = |requests: usize| {
        let requests = REQUEST.repeat(requests);
        let mut replies = Vec::with_capacity(requests.len() * 10);
        let mut used = 0;
        let counted =
            allocation_counter::measure(|| used = path.answer_all(&requests, &mut replies));
        assert_eq!(used, requests.len());
        counted.count_total
    };
    // The first have memory for bodies to get.
    allocations(1);
    assert_eq!(allocations(1_001), allocations(1));
    Ok(())
}
