//! Judging one point.

use std::net::SocketAddr;

use anyhow::Context;
use axum::http::{StatusCode, header};
use contract::{DetectorName, FitOptions, JudgeOptions, Point};
use detector::Model;
use predictor::{Backends, Predictor, Settings};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::{
    fixture::{ANOMALOUS, Fixture, NORMAL, backends, nowhere},
    support::{exchange, points, store_fitted, store_model},
};

#[tokio::test]
async fn judges_as_recorded() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let store = &fixture.backends.store;
    store_model(store, "sensor_01", &[10.0, 10.5, 11.0]).await?;
    store_model(store, "sensor_01", &[12.0, 12.5, 13.0]).await?;
    for (value, beginning) in [
        (10.5, r#"{"model_version":"v2","anomaly":false,"score":"#),
        (22.5, r#"{"model_version":"v2","anomaly":true,"score":"#),
    ] {
        let body = format!(r#"{{"timestamp": 1693460000, "value": {value}}}"#);
        let reply = fixture.predict("sensor_01", &body).await?;
        assert_eq!(reply.status, StatusCode::OK);
        assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json");
        assert!(reply.text.starts_with(beginning), "{}", reply.text);
        assert!(reply.text.ends_with("}\n"), "{}", reply.text);
    }
    Ok(())
}

#[tokio::test]
async fn timestamps_in_another_unit_than_the_fit_are_refused() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let training: Vec<Point> = (0..50)
        .map(|i| Point {
            timestamp: 1_700_000_000 + 60 * i,
            value: (i % 7) as f64,
        })
        .collect();
    let fitted = Model::fit(&training, &FitOptions::default(), DetectorName::Robust)?;
    store_fitted(&fixture.backends.store, "s", &fitted.model.into()).await?;
    let (seconds, milliseconds) = (1_700_003_000_i64, 1_700_003_000_000_i64);
    let context = |at: i64| json!({"timestamps": [at - 60], "values": [3.0]});
    let columns = |at: i64| json!({"timestamps": [seconds, at], "values": [3.0, 3.0]});
    for (path, body, status) in [
        ("/predict/s", json!({"timestamp": seconds, "value": 3}), 200),
        ("/predict/s", json!({"timestamp": 7, "value": 3}), 200),
        (
            "/predict/s",
            json!({"timestamp": milliseconds, "value": 3}),
            400,
        ),
        (
            "/predict/s",
            json!({"timestamp": seconds, "value": 3, "context": context(milliseconds)}),
            400,
        ),
        ("/predict/s/batch", columns(seconds), 200),
        ("/predict/s/batch", columns(milliseconds), 400),
    ] {
        let reply = fixture.send("POST", path, &[], &body.to_string()).await?;
        assert_eq!(reply.status, status, "{path} {body}: {}", reply.text);
        if status == 400 {
            let (_, code, detail) = reply.refusal();
            assert_eq!(code, "wrong_time_unit");
            assert!(
                detail.starts_with("Timestamp 17000") && detail.contains("milliseconds, but"),
                "{detail}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn zeros_integers_exponents_and_any_content_type_are_taken() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.store("a b").await?;
    for body in [
        r#"{"timestamp":0,"value":1.5}"#,
        r#"{"timestamp":-1,"value":0}"#,
        r#"{"value":1.5e0,"timestamp":1}"#,
    ] {
        for content_type in ["application/x-www-form-urlencoded", "text/plain"] {
            let headers = [("content-type", content_type)];
            let reply = fixture
                .send("POST", "/predict/a%20b", &headers, body)
                .await?;
            assert_eq!(reply.body["anomaly"], false, "{body}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_known_is_ignored_and_named() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.store("s").await?;
    let plain = r#"{"timestamp":1,"value":1.5}"#;
    let mut expected = fixture.predict("s", plain).await?.body;
    assert_eq!(expected.get("warnings"), None);
    let body = r#"{"timestamp":1,"value":1.5,"note":[{}]}"#;
    expected["warnings"] = json!([
        "unknown field `note` was ignored",
        "unknown query parameter `x` was ignored"
    ]);
    assert_eq!(fixture.predict("s?x=1", body).await?.body, expected);
    Ok(())
}

#[tokio::test]
async fn a_bad_payload_is_refused_whether_or_not_the_series_is_trained() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.store("trained").await?;
    for (body, fault) in [
        ("", "EOF"),
        ("{}", "timestamp"),
        (r#"{"timestamp":1}"#, "value"),
        (r#"{"timestamp":"now","value":1.5}"#, "timestamp"),
        (r#"{"timestamp":1.5,"value":1.5}"#, "timestamp"),
        (r#"{"timestamp":1,"value":null}"#, "value"),
        (r#"{"timestamp":1,"value":"x"}"#, "value"),
        (r#"{"timestamp":1,"value":NaN}"#, "value"),
        (r#"{"timestamp":1,"value":1e400}"#, "value"),
        (r#"{"timestamp":1,"value":1,"value":2}"#, "duplicate"),
        (r#"{"timestamp":1,"value":1} x"#, "after"),
        (
            r#"{"timestamp":1,"value":1,"false_alarm_rate":2}"#,
            "false_alarm_rate",
        ),
        (r#"{"timestamp":1,"value":1,"version":"V1"}"#, "version"),
        ("[1,2.5]", "object"),
    ] {
        for series in ["trained", "nobody"] {
            let reply = fixture.predict(series, body).await?;
            let refusal = (400, "invalid_payload", "Invalid request payload");
            assert_eq!(reply.refusal(), refusal, "{body}");
            assert!(reply.fault().contains(fault), "{body}: {}", reply.fault());
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_is_asked_wrongly_is_refused_as_a_problem() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let untrained = fixture.predict("sensor_999", NORMAL).await?;
    let refusal = (404, "model_not_found", "Model not found");
    assert_eq!(untrained.refusal(), refusal);
    // The id comes first: this body would be refused too.
    for id in ["..%2F..%2Fetc", "a%0Ab", "%FF", &"l".repeat(201)] {
        assert_eq!(fixture.predict(id, "{").await?.status, 400, "{id}");
    }
    let large = format!("{NORMAL}{}", " ".repeat(256 * 1024));
    assert_eq!(fixture.predict("s", &large).await?.status, 413);
    let method = fixture.send("GET", "/predict/s", &[], "").await?;
    assert_eq!(method.status, 405);
    assert_eq!(method.headers[header::ALLOW], "POST");
    for path in ["/predict/", "/predict", "/predict/s/", "/fit/s"] {
        assert_eq!(
            fixture.send("POST", path, &[], NORMAL).await?.status,
            404,
            "{path}"
        );
    }
    Ok(())
}

/// A series of 200 points with a wave in it, and a model of it in the store.
async fn wave(fixture: &Fixture) -> anyhow::Result<Model> {
    let values: Vec<f64> = (0..200)
        .map(|i| f64::from(i * 37 % 24) + f64::from(i * 7919 % 97) / 97.0)
        .collect();
    store_model(&fixture.backends.store, "wave", &values).await?;
    let points = points(&values);
    Ok(Model::fit(&points, &FitOptions::default(), DetectorName::Auto)?.model)
}

#[tokio::test]
async fn the_verdict_is_the_models_whatever_is_asked_for() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let model = wave(&fixture).await?;
    for (asked, judge) in [
        ("", JudgeOptions::default()),
        (
            r#","false_alarm_rate":0.25,"direction":"above""#,
            JudgeOptions {
                false_alarm_rate: Some(0.25),
                direction: Some(contract::Sides::Above),
                min_deviation: None,
            },
        ),
        (
            r#","min_deviation":1000.5"#,
            JudgeOptions {
                min_deviation: Some(1000.5),
                ..JudgeOptions::default()
            },
        ),
    ] {
        for value in [3.5, 99.0, -99.0] {
            let body = format!(r#"{{"timestamp":12060,"value":{value}{asked}}}"#);
            let reply = fixture.predict("wave", &body).await?;
            let point = Point {
                timestamp: 12_060,
                value,
            };
            let verdict = model.score(&[], point, &judge).to_reply();
            let mut expected = serde_json::to_value(&verdict)?;
            expected["model_version"] = json!("v1");
            assert_eq!(reply.body, expected, "{body}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_context_of_any_length_up_to_the_longest_is_seen() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let model = wave(&fixture).await?;
    for length in [0, 1, 64, 2_048] {
        let values: Vec<f64> = (0..length).map(|i| f64::from(i % 24)).collect();
        let context = points(&values);
        let timestamps: Vec<i64> = context.iter().map(|p| p.timestamp).collect();
        let body = json!({
            "timestamp": 1_000_000, "value": 12.5,
            "context": {"timestamps": timestamps, "values": values},
        });
        let reply = fixture.predict("wave", &body.to_string()).await?;
        let point = Point {
            timestamp: 1_000_000,
            value: 12.5,
        };
        let verdict = model.score(&context, point, &JudgeOptions::default());
        let mut expected = serde_json::to_value(verdict.to_reply())?;
        expected["model_version"] = json!("v1");
        assert_eq!(reply.body, expected, "{length}");
    }
    Ok(())
}

#[tokio::test]
async fn a_context_that_makes_no_sense_is_refused() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.store("s").await?;
    let long = vec![1; 2_049];
    for (context, fault) in [
        (
            json!({"timestamps": long, "values": long}),
            "2049 points are more than 2048",
        ),
        (json!({"timestamps": [1]}), "missing field `values`"),
        (
            json!({"timestamps": [2, 1], "values": [1, 1]}),
            "the oldest point must come first",
        ),
        (json!([]), "context: "),
    ] {
        let body = json!({"timestamp": 1, "value": 1, "context": context});
        let reply = fixture.predict("s", &body.to_string()).await?;
        assert_eq!(reply.refusal().1, "invalid_payload");
        assert!(reply.fault().contains(fault), "{}", reply.fault());
    }
    Ok(())
}

#[tokio::test]
async fn it_is_ready_once_it_has_met_its_store() -> anyhow::Result<()> {
    let (_dir, backends) = backends().await?;
    let ready = async |backends: &Backends| {
        let config = nowhere()?;
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let (server, settings) = (config.server, Settings::default());
        let predictor = Predictor::bind(any_port, server, settings, backends.clone()).await?;
        let (addr, stop) = (predictor.addr(), CancellationToken::new());
        let served = service::task::spawn("predictor", predictor.serve(stop.clone()));
        let ready = exchange(addr, "GET", "/readyz", "").await?;
        stop.cancel();
        served.await?.context("predictor panicked")??;
        anyhow::Ok(ready)
    };
    let before = ready(&backends).await?;
    assert!(before.starts_with("HTTP/1.1 200"), "{before}");
    backends.store.close().await;
    let never = ready(&backends).await?;
    assert!(never.starts_with("HTTP/1.1 503"), "{never}");
    Ok(())
}

#[tokio::test]
async fn serves_on_its_port_until_it_is_told_to_stop() -> anyhow::Result<()> {
    let (_dir, backends) = backends().await?;
    store_model(&backends.store, "s", &[1.0, 2.0, 3.0]).await?;
    let config = nowhere()?;
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let predictor = Predictor::bind(any_port, config.server, Settings::default(), backends).await?;
    let (addr, stop) = (predictor.addr(), CancellationToken::new());
    let served = service::task::spawn("predictor", predictor.serve(stop.clone()));

    let ready = exchange(addr, "GET", "/readyz", "").await?;
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    let reply = exchange(addr, "POST", "/predict/s", ANOMALOUS).await?;
    assert!(reply.contains("x-request-id: "), "{reply}");
    assert!(
        reply.contains(r#"{"model_version":"v1","anomaly":true,"#),
        "{reply}"
    );
    stop.cancel();
    served.await?.context("predictor panicked")??;
    assert!(TcpStream::connect(addr).await.is_err());
    Ok(())
}
