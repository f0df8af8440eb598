//! Samples as Prometheus sends them, encoded here.

use anyhow::ensure;
use contract::{SeriesList, StreamReply, Transform};
use testkit::{Client, Platform, Reply, eventually};

/// The headers of a sender.
const HEADERS: [(&str, &str); 3] = [
    ("content-encoding", "snappy"),
    ("content-type", "application/x-protobuf"),
    ("x-prometheus-remote-write-version", "0.1.0"),
];

fn varint(message: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![number << 3 | 2];
    varint(&mut message, bytes.len() as u64);
    message.extend_from_slice(bytes);
    message
}

/// A series `name` on the host `host`, with these samples.
fn series(name: &str, host: &str, samples: &[(i64, f64)]) -> Vec<u8> {
    let mut message = Vec::new();
    for (name, value) in [("__name__", name), ("host", host)] {
        let label = [field(1, name.as_bytes()), field(2, value.as_bytes())].concat();
        message.extend(field(1, &label));
    }
    for (timestamp, value) in samples {
        let mut sample = vec![0x09];
        sample.extend_from_slice(&value.to_le_bytes());
        sample.push(0x10);
        varint(&mut sample, timestamp.cast_unsigned());
        message.extend(field(2, &sample));
    }
    field(1, &message)
}

async fn write(client: Client, message: &[u8]) -> anyhow::Result<Reply> {
    let body = snap::raw::Encoder::new().compress_vec(message)?;
    let path = "/api/v1/write";
    client.send("POST", path, &HEADERS, Some(&body)).await
}

/// The stream of the series whose id begins with `name`, once it has `points` points.
async fn stream(client: Client, name: &str, points: u64) -> anyhow::Result<StreamReply> {
    eventually("the stream has judged its points", || async {
        let path = format!("/v1/series?prefix={name}:");
        let listed: SeriesList = client.get(&path).await?.ok()?;
        ensure!(listed.series.len() == 1, "{listed:?}");
        let id = &listed.series[0].series_id;
        let path = format!("/v1/series/{id}/stream");
        let stream: StreamReply = client.get(&path).await?.ok()?;
        ensure!(stream.points == points, "{} points", stream.points);
        Ok(stream)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_of_prometheus_are_judged_with_their_labels() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    let at = |n: i64| 1_700_000_000_000 + 15_000 * n;
    // Thirty a second.
    let counted: Vec<_> = (0..5).map(|n| (at(n), 450.0 * n as f64)).collect();
    let message = [
        series("requests_total", "a1", &counted),
        series("up", "a1", &[(at(0), 1.0), (at(1), f64::NAN), (at(2), 1.0)]),
    ]
    .concat();
    for _ in 0..2 {
        // The same again changes nothing.
        let reply = write(client, &message).await?;
        ensure!(
            reply.status == 204 && reply.body.is_empty(),
            "{}",
            reply.text()
        );
    }
    let stale = f64::from_bits(0x7ff0_0000_0000_0002);
    let message = [
        series("requests_total", "a1", &[(at(5), 2_250.0)]),
        // Late, and then the end.
        series("up", "a1", &[(at(1), 1.0), (at(3), stale)]),
    ]
    .concat();
    assert_eq!(write(client, &message).await?.status, 204);

    let requests = stream(client, "requests_total", 5).await?;
    assert_eq!(requests.options.transform, Some(Transform::Rate));
    assert_eq!(requests.labels["host"], "a1");
    assert_eq!(requests.labels["__name__"], "requests_total");
    let next = format!(r#"{{"timestamp":{},"value":2700}}"#, at(6));
    let observed = client
        .post(&format!("/observe/{}", requests.series_id), &next)
        .await?;
    let observed: serde_json::Value = observed.ok()?;
    assert_eq!(observed["value"], 30.0);
    let up = stream(client, "up", 2).await?;
    assert_eq!((up.counts.late, up.options.transform), (1, None));

    // What stands in the options goes before what comes from the sender.
    let path = format!("/v1/series/{}/stream", up.series_id);
    client.put(&path, &[], r#"{"labels":{"team":"x"}}"#).await?;
    let message = series("up", "a1", &[(at(4), 1.0)]);
    assert_eq!(write(client, &message).await?.status, 204);
    let up = stream(client, "up", 3).await?;
    assert_eq!(up.labels.len(), 1);
    platform.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_write_request_is_refused_for_good() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    let send = async |kind: &str, body: &[u8]| {
        let headers = [("content-encoding", "snappy"), ("content-type", kind)];
        let path = "/api/v1/write";
        let reply = client.send("POST", path, &headers, Some(body)).await?;
        let problem = reply.problem()?;
        anyhow::Ok((reply.status, problem.code.to_string()))
    };
    let packed = snap::raw::Encoder::new().compress_vec(b"no message")?;
    let kind = "application/x-protobuf";
    for (kind, body, status, code) in [
        (kind, &b"no Snappy"[..], 400, "invalid_payload"),
        (kind, &packed, 400, "invalid_payload"),
        // 65 MiB, it says.
        (kind, &[0x80, 0x80, 0xc0, 0x20], 413, "body_too_large"),
        (
            "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            &packed,
            415,
            "unsupported_media_type",
        ),
    ] {
        assert_eq!(send(kind, body).await?, (status, code.to_owned()));
    }
    let nothing = snap::raw::Encoder::new().compress_vec(b"")?;
    let reply = client
        .send("POST", "/api/v1/write", &HEADERS, Some(&nothing))
        .await?;
    assert_eq!(reply.status, 204);
    platform.stop().await.map(drop)
}
