//! The fast path and the ordinary path say the same: a request that arrives whole, one whose body
//! comes later, and one in chunks get the same answer, whatever is in it.

use anyhow::{Context, ensure};
use contract::{DetectorName, FitOptions};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestRunner};
use testkit::{Client, Platform, Reply, series};

/// Bodies of each kind. Each is sent three times.
const CASES: u32 = 200;

/// Numbers as clients write them, and texts that are none.
const NUMBERS: [&str; 36] = [
    "0",
    "-0",
    "1",
    "-1",
    "1e308",
    "-1e308",
    "1.7976931348623157e308",
    "5e-324",
    "1e-320",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "18446744073709551616",
    "1e400",
    "-1e400",
    "0.1",
    "1E5",
    "01",
    "+1",
    ".5",
    "1.",
    "NaN",
    "Infinity",
    "null",
    "true",
    "\"1\"",
    "[]",
    "{}",
    "1e-400",
    "123456789012345678901234567890",
    "-",
    "1700024000",
    "10.3",
    "4503599627370497.5",
    "0.5",
    "1e-300",
];

fn number() -> BoxedStrategy<String> {
    prop_oneof![
        3 => select(&NUMBERS[..]).prop_map(str::to_owned),
        2 => (-30.0..30.0).prop_map(|value: f64| value.to_string()),
    ]
    .boxed()
}

fn word(words: &'static [&'static str]) -> BoxedStrategy<String> {
    select(words).prop_map(str::to_owned).boxed()
}

/// `length` numbers, most of them sound.
fn array(length: usize) -> impl Strategy<Value = String> {
    let start = 1_700_000_000_i64..1_700_100_000;
    let sound = start.prop_map(|value| value.to_string());
    let item = prop_oneof![30 => sound, 1 => number()];
    vec(item, length).prop_map(|items| format!("[{}]", items.join(",")))
}

/// The options that all kinds share, and the context of a prediction.
fn option() -> impl Strategy<Value = (&'static str, String)> {
    let versions = &[
        "\"v1\"",
        "\"v2\"",
        "\"champion\"",
        "\"V1\"",
        "1",
        "null",
        "\"\\u0000\"",
    ];
    let context = (0_usize..30, 0_usize..30).prop_flat_map(|(a, b)| (array(a), array(b.max(a))));
    let context = context.prop_map(|(a, b)| format!(r#"{{"timestamps":{a},"values":{b}}}"#));
    prop_oneof![
        number().prop_map(|n| ("false_alarm_rate", n)),
        word(&["\"above\"", "\"below\"", "\"both\"", "\"up\"", "1", "null"])
            .prop_map(|w| ("direction", w)),
        number().prop_map(|n| ("min_deviation", n)),
        word(versions).prop_map(|w| ("version", w)),
        context.prop_map(|c| ("context", c)),
        word(&["1", "[[[[]]]]", "{\"a\":{\"b\":1}}"]).prop_map(|w| ("x", w)),
    ]
}

/// An object of `fields` and some options in any order, at times with a few bytes changed.
fn body(fields: BoxedStrategy<Vec<(&'static str, String)>>) -> impl Strategy<Value = Vec<u8>> {
    let options = prop_oneof![2 => Just(Vec::new()), 3 => vec(option(), 1..4)];
    let all = (fields, options).prop_map(|(fields, options)| [fields, options].concat());
    let written = all.prop_shuffle().prop_map(|fields| {
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| format!("\"{name}\":{value}"))
            .collect();
        format!("{{{}}}", fields.join(",")).into_bytes()
    });
    let change = (any::<prop::sample::Index>(), any::<u8>(), any::<bool>());
    let changes = prop_oneof![4 => Just(Vec::new()), 1 => vec(change, 1..4)];
    (written, changes).prop_map(|(mut bytes, changes)| {
        for (place, byte, replaces) in changes {
            let place = place.index(bytes.len());
            match replaces {
                true => bytes[place] = byte,
                false => bytes.insert(place, byte),
            }
        }
        bytes
    })
}

fn point() -> impl Strategy<Value = Vec<u8>> {
    let fields = (number(), number());
    body(
        fields
            .prop_map(|(t, v)| vec![("timestamp", t), ("value", v)])
            .boxed(),
    )
}

fn points() -> impl Strategy<Value = Vec<u8>> {
    let fields = (0_usize..40).prop_flat_map(|n| (array(n), array(n)));
    body(
        fields
            .prop_map(|(t, v)| vec![("timestamps", t), ("values", v)])
            .boxed(),
    )
}

/// The request in one piece, with its length or in a single chunk.
fn request(path: &str, body: &[u8], chunked: bool) -> Vec<u8> {
    let (header, start, end) = match chunked {
        false => (format!("content-length: {}", body.len()), String::new(), ""),
        true => (
            "transfer-encoding: chunked".to_owned(),
            format!("{:x}\r\n", body.len()),
            "\r\n0\r\n\r\n",
        ),
    };
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\n{header}\r\n\r\n{start}");
    [head.as_bytes(), body, end.as_bytes()].concat()
}

/// Status and body without the id of the request.
fn said(reply: &Reply) -> (u16, String) {
    let id = reply.header("x-request-id").unwrap_or_default();
    (reply.status, reply.text().replace(id, "ID"))
}

async fn same_each_way(client: Client, path: &str, body: &[u8]) -> anyhow::Result<()> {
    let whole = client.raw(&request(path, body, false)).await?;
    let chunked = client.raw(&request(path, body, true)).await?;
    let later = client.begin(path, body).await?.finish().await?;
    ensure!(
        said(&chunked) == said(&whole),
        "in chunks: {:?}, whole: {:?}",
        said(&chunked),
        said(&whole)
    );
    ensure!(
        said(&later) == said(&whole),
        "later: {:?}, whole: {:?}",
        said(&later),
        said(&whole)
    );
    ensure!(whole.status < 500, "{:?}", said(&whole));
    if whole.status == 200 {
        whole.json::<serde_json::Value>().context("no JSON")?;
    }
    Ok(())
}

/// Sends `CASES` bodies to `path` of a platform with one series of each of some detectors.
fn all_say_the_same(path: &str, bodies: impl Strategy<Value = Vec<u8>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let (platform, client) = runtime.block_on(async {
        let platform = Platform::start().await?;
        let client = platform.client();
        for detector in [DetectorName::Auto, DetectorName::Sigma] {
            let options = FitOptions {
                detector: Some(detector),
                ..FitOptions::default()
            };
            client
                .fit_with(detector.as_str(), &series::daily(400, 10.0), options)
                .await?;
        }
        client.fit("few", &series::three(1.0)).await?;
        anyhow::Ok((platform, client))
    })?;
    let series = select(&["auto", "sigma", "few", "unknown"][..]);
    let mut runner = TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(CASES)
    });
    runner.run(&(series, bodies), |(series, body)| {
        let path = path.replace("{}", series);
        let checked = runtime.block_on(same_each_way(client, &path, &body));
        checked.map_err(|error| TestCaseError::fail(format!("{error:#}")))
    })?;
    runtime.block_on(platform.stop())?;
    Ok(())
}

#[test]
fn a_prediction_is_answered_alike_on_every_path() -> anyhow::Result<()> {
    all_say_the_same("/predict/{}", point())
}

#[test]
fn a_batch_is_answered_alike_on_every_path() -> anyhow::Result<()> {
    all_say_the_same("/predict/{}/batch", points())
}

#[test]
fn a_detection_is_answered_alike_on_every_path() -> anyhow::Result<()> {
    all_say_the_same("/v1/detect", points())
}
