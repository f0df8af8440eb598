//! Fitting: what is answered, what is refused.

use anyhow::Context;
use axum::{body::Body, http::header};
use bytes::Bytes;
use contract::{
    DetectorName, FitReply, MetricsEvent, ModelEvent, Point, Revision, SeriesId, TrainingData,
    Version,
};
use futures_util::{future::try_join_all, stream};
use serde_json::json;
use trainer::Settings;

use crate::fixture::{Fixture, THREE};

/// Three points that can be fitted, with `options`.
fn with(options: &str) -> String {
    format!("{},{options}}}", THREE.trim_end_matches('}'))
}

#[tokio::test]
async fn a_fit_is_numbered_and_everyone_is_told() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let mut models = fixture.backends.bus.tail::<ModelEvent>()?;
    let reply = fixture
        .fit("sensor_01", &with(r#""detector":"sigma""#))
        .await?;
    assert_eq!(
        reply.body,
        concat!(
            r#"{"series_id":"sensor_01","version":"v1","points_used":3,"detector":"sigma"}"#,
            "\n"
        )
    );
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(reply.revision()?, Revision(1));
    let second = fixture.fit("sensor_01", THREE).await?;
    assert_eq!(
        (second.version()?, second.revision()?),
        ("v2".to_owned(), Revision(2))
    );
    assert_eq!(fixture.fit("sensor_10", THREE).await?.version()?, "v1");
    assert_eq!(fixture.serving("sensor_01").await?.as_deref(), Some("v2"));

    let mut ready = Vec::new();
    while ready.len() < 3 {
        let batch = models.next_batch(10, std::time::Duration::ZERO).await?;
        ready.extend(batch.into_iter().filter_map(|m| m.event.ok()));
    }
    let event = |id: &str, number: u32| ModelEvent::Ready {
        series_id: SeriesId::new(id).unwrap(),
        version: Version::new(number).unwrap(),
        revision: Some(Revision(number.into())),
    };
    assert_eq!(
        ready,
        [
            event("sensor_01", 1),
            event("sensor_01", 2),
            event("sensor_10", 1)
        ]
    );
    for measured in fixture.published::<MetricsEvent>(3).await? {
        let MetricsEvent::Training { latency_ms, .. } = measured else {
            panic!("{measured:?}");
        };
        assert!(latency_ms > 0.0 && latency_ms < 30_000.0);
    }
    Ok(())
}

#[tokio::test]
async fn points_are_published_sorted_in_parts_and_with_the_trace() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let n = 25_000_i64;
    let body = json!({
        "timestamps": (0..n).rev().collect::<Vec<_>>(),
        "values": (0..n).rev().map(|t| (t % 7) as f64).collect::<Vec<_>>(),
    });
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = axum::http::Request::post("/fit/s").header("traceparent", trace);
    let reply = tower::ServiceExt::oneshot(
        fixture.router.clone(),
        request.body(Body::from(body.to_string()))?,
    );
    assert_eq!(reply.await?.status(), 200);
    let parts = fixture.messages::<TrainingData>(3).await?;
    assert!(
        parts
            .iter()
            .all(|part| part.trace.as_deref() == Some(trace))
    );
    let mut points: Vec<Point> = Vec::new();
    for (i, part) in (0..).zip(parts) {
        let part = part.event.map_err(anyhow::Error::msg)?;
        assert_eq!((part.part, part.parts), (Some(i), Some(3)));
        points.extend(part.data);
    }
    let expected = (0..n).map(|timestamp| Point {
        timestamp,
        value: (timestamp % 7) as f64,
    });
    assert!(points.into_iter().eq(expected));
    Ok(())
}

#[tokio::test]
async fn a_constant_is_fitted_where_the_request_allows_it() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let body = |n: usize, more: &str| {
        let (timestamps, values): (Vec<usize>, Vec<i32>) = (0..n).map(|i| (i, 7)).unzip();
        format!(r#"{{"timestamps":{timestamps:?},"values":{values:?}{more}}}"#)
    };
    let allowed = r#","allow_constant":true"#;
    for (body, why) in [
        (
            body(20, ""),
            "all 20 values are 7: allow_constant fits them nevertheless",
        ),
        (
            body(9, allowed),
            "all 9 values are 7: a constant needs at least 10",
        ),
    ] {
        let reply = fixture.fit("s", &body).await?;
        assert_eq!(reply.refusal()?.1, "constant_data");
        assert_eq!(reply.json()?["errors"][0]["detail"], why);
    }
    let reply = fixture.fit("s", &body(20, allowed)).await?;
    assert_eq!(reply.json()?["points_used"], 20);
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_fitted_is_named_and_leaves_no_trace() -> anyhow::Result<()> {
    const MISMATCH: &str = "Timestamps and values must be of same non-zero length";
    const INSUFFICIENT: &str = "Insufficient or constant data";
    let fixture = Fixture::new().await?;
    for (body, code, detail) in [
        (
            r#"{"timestamps":[],"values":[]}"#,
            "length_mismatch",
            MISMATCH,
        ),
        (
            r#"{"timestamps":[1,2],"values":[1.0]}"#,
            "length_mismatch",
            MISMATCH,
        ),
        (
            r#"{"timestamps":[1],"values":[]}"#,
            "length_mismatch",
            MISMATCH,
        ),
        (
            r#"{"timestamps":[1,2],"values":[1,2]}"#,
            "insufficient_data",
            INSUFFICIENT,
        ),
        (
            r#"{"timestamps":[1,2,3],"values":[7,7,7]}"#,
            "constant_data",
            INSUFFICIENT,
        ),
        (
            r#"{"timestamps":[1,2,3]}"#,
            "invalid_payload",
            "Invalid request payload: missing field `values` at line 1 column 22",
        ),
        (
            r#"{"timestamps":[1],"timestamps":[1],"values":[1]}"#,
            "invalid_payload",
            "Invalid request payload: duplicate field `timestamps` at line 1 column 30",
        ),
    ] {
        let refusal = fixture.fit("s", body).await?.refusal()?;
        assert_eq!(refusal, (400, code.to_owned(), detail.to_owned()), "{body}");
    }
    assert_eq!(fixture.models().await?, 0);
    assert_eq!(fixture.fit("s", THREE).await?.version()?, "v1");
    Ok(())
}

#[tokio::test]
async fn a_malformed_request_is_refused_with_its_fault() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    for body in [
        "",
        "[1,2,3]",
        r#"{"timestamps":[1.0,2,3],"values":[1,2,3]}"#,
    ] {
        let reply = fixture.fit("s", body).await?;
        assert_eq!(reply.status, 400, "{body}");
        let problem = reply.json()?;
        let fault = problem["errors"][0]["detail"]
            .as_str()
            .context("no fault")?;
        assert_eq!(
            problem["detail"],
            format!("Invalid request payload: {fault}")
        );
    }
    for id in ["..%2F..%2Fetc", "a%0Ab", "%FF", &"l".repeat(201)] {
        let (status, code, _) = fixture.fit(id, THREE).await?.refusal()?;
        assert_eq!((status, code.as_str()), (400, "invalid_series_id"), "{id}");
    }
    assert_eq!(fixture.models().await?, 0);
    assert_eq!(fixture.fit("s", THREE).await?.version()?, "v1");
    Ok(())
}

#[tokio::test]
async fn what_is_odd_but_clear_is_taken() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    for (id, body) in [
        ("zero", r#"{"timestamps":[0,1,2],"values":[0,1.5,2.5]}"#),
        (
            "huge",
            r#"{"timestamps":[9223372036854775807,1,2],"values":[1e308,-1e308,3.5]}"#,
        ),
        ("same", r#"{"timestamps":[1,1,1],"values":[0.5,1.5,2.5]}"#),
        ("a%20b", r#"{"values":[-1,-2,-3],"timestamps":[-3,-1,-2]}"#),
        ("a_v1", r#" {"timestamps":[1,2,3],"values":[1,1,2]} "#),
        ("%C3%A9t%C3%A9", THREE),
    ] {
        assert_eq!(fixture.fit(id, body).await?.version()?, "v1", "{id}");
    }
    assert_eq!(fixture.serving("a").await?, None);
    assert_eq!(fixture.serving("été").await?.as_deref(), Some("v1"));
    let body = r#"{"timestamps":[1,2,3],"values":[1,1,2],"note":"x"}"#;
    let reply = fixture.fit("noted", body).await?.json()?;
    assert_eq!(reply["warnings"][0], "unknown field `note` was ignored");
    Ok(())
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_announced_or_not() -> anyhow::Result<()> {
    let fixture = Fixture::with(Settings {
        max_body_bytes: THREE.len(),
        ..Settings::default()
    })
    .await?;
    assert_eq!(fixture.fit("s", THREE).await?.status, 200);
    let larger = format!("{THREE} ");
    assert_eq!(fixture.fit("s", &larger).await?.refusal()?.0, 413);
    let pieces = larger.into_bytes();
    let pieces = pieces
        .chunks(7)
        .map(|c| Ok::<_, std::io::Error>(Bytes::copy_from_slice(c)));
    let chunked = Body::from_stream(stream::iter(pieces.collect::<Vec<_>>()));
    let reply = fixture.send("POST", "/fit/s", chunked).await?;
    assert_eq!(reply.refusal()?.1, "body_too_large");
    Ok(())
}

#[tokio::test]
async fn wrong_methods_and_paths_are_problems() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let reply = fixture.get("/fit/s").await?;
    assert_eq!(reply.refusal()?.0, 405);
    assert_eq!(reply.headers[header::ALLOW], "POST");
    for path in ["/fit/", "/fit", "/fit/s/", "/predict/s"] {
        let reply = fixture.send("POST", path, THREE).await?;
        assert_eq!(reply.refusal()?.0, 404, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn fifty_fits_at_once_get_each_version_once() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let fits = (0..50).map(|_| fixture.fit("s", THREE));
    let replies = try_join_all(fits).await?;
    let versions = replies.iter().map(|reply| reply.version());
    let mut versions = versions.collect::<Result<Vec<_>, _>>()?;
    versions.sort_by_key(|version| version[1..].parse::<u32>().ok());
    let expected: Vec<String> = (1..=50).map(|n| format!("v{n}")).collect();
    assert_eq!(versions, expected);
    assert_eq!(fixture.serving("s").await?.as_deref(), Some("v50"));
    assert_eq!(fixture.published::<TrainingData>(50).await?.len(), 50);
    Ok(())
}

#[tokio::test]
async fn the_health_check_reports_fits_and_survives_without_figures() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.fit("s", THREE).await?;
    let [measured]: [MetricsEvent; 1] = fixture.published(1).await?.try_into().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let delivery = contract::Delivery {
        partition: 0,
        offset: 0,
        timestamp_ms: i64::try_from(now.as_millis())?,
        event: Some(&measured),
    };
    let stats = &fixture.backends.stats;
    stats.apply("test", "metrics", &[delivery]).await?;
    let report = fixture.get("/healthcheck").await?.json()?;
    assert_eq!(
        (&report["status"], &report["series_trained"]),
        (&json!("ok"), &json!(1))
    );
    assert!(report["training_latency_ms"]["avg"].as_f64() > Some(0.0));
    assert!(report["throughput"]["avg_per_minute"].as_f64() > Some(0.0));
    assert_eq!(
        report["system_metrics"]["load_avg"]
            .as_array()
            .map(Vec::len),
        Some(3)
    );

    let without = Fixture::without_figures().await?;
    let report = without.get("/healthcheck").await?;
    assert_eq!(report.status, 200);
    assert_eq!(report.json()?["status"], "degraded");
    assert_eq!(without.fit("s", THREE).await?.version()?, "v1");
    Ok(())
}

#[tokio::test]
async fn the_detector_is_the_one_asked_for_or_else_the_default() -> anyhow::Result<()> {
    for &default in DetectorName::ALL {
        let fixture = Fixture::with(Settings {
            default_detector: default,
            ..Settings::default()
        })
        .await?;
        let fitted: FitReply = serde_json::from_value(fixture.fit("s", THREE).await?.json()?)?;
        assert_eq!(fitted.detector, default);
        for &asked in DetectorName::ALL {
            let body = with(&format!(r#""detector":"{asked}""#));
            let fitted: FitReply = serde_json::from_value(fixture.fit("s", &body).await?.json()?)?;
            assert_eq!((fitted.detector, fitted.points_used), (asked, 3));
        }
    }
    assert_eq!(Settings::default().default_detector, DetectorName::Auto);
    Ok(())
}

#[tokio::test]
async fn what_is_warned_of_comes_after_what_was_not_understood() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let body = r#"{"timestamps":[1,1,2,3],"values":[1,2,3,4],"note":1,"detector":"robust"}"#;
    let fitted: FitReply = serde_json::from_value(fixture.fit("s", body).await?.json()?)?;
    assert_eq!(fitted.warnings[0], "unknown field `note` was ignored");
    let duplicate = fitted.warnings[1..]
        .iter()
        .any(|warning| warning.contains("1 point"));
    assert!(duplicate, "{:?}", fitted.warnings);
    Ok(())
}

#[tokio::test]
async fn impossible_options_are_named_and_leave_no_trace() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    for detector in DetectorName::ALL {
        let options = format!(r#""detector":"{detector}","params":{{"nonsense":1}}"#);
        let (status, code, detail) = fixture.fit("s", &with(&options)).await?.refusal()?;
        assert_eq!(
            (status, code.as_str()),
            (400, "invalid_params"),
            "{options}"
        );
        assert!(detail.contains("nonsense"), "{detail}");
    }
    for (options, fault) in [
        (
            r#""false_alarm_rate":0"#,
            "false_alarm_rate: 0 is not above 0",
        ),
        (
            r#""false_alarm_rate":0.6"#,
            "false_alarm_rate: 0.6 is not above 0",
        ),
        (r#""params":{"k":1e400}"#, "params: number out of range"),
        (r#""params":{"k":"1"}"#, "params: invalid type"),
        (r#""detector":"magic""#, "detector: unknown variant `magic`"),
        (r#""direction":"up""#, "direction: unknown variant `up`"),
    ] {
        let (status, code, detail) = fixture.fit("s", &with(options)).await?.refusal()?;
        assert_eq!(
            (status, code.as_str()),
            (400, "invalid_payload"),
            "{options}"
        );
        assert!(detail.contains(fault), "{detail}");
    }
    assert_eq!(fixture.models().await?, 0);
    for options in [
        r#""false_alarm_rate":0.5"#,
        r#""direction":"below""#,
        r#""params":{}"#,
        r#""detector":null,"params":null,"direction":null,"false_alarm_rate":null"#,
    ] {
        assert_eq!(
            fixture.fit("s", &with(options)).await?.status,
            200,
            "{options}"
        );
    }
    Ok(())
}
