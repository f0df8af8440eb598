//! Plots of judged series: what is on them, and what is refused.

use axum::http::header;
use serde_json::{Value, json};

use crate::{
    fixture::{Fixture, Reply, eventually},
    plot::png_size,
};

/// A day's wave a point a minute for four days, with one value that is far off.
fn wave() -> Value {
    let timestamps: Vec<i64> = (0..5_760).map(|i| 1_693_459_200 + i * 60).collect();
    let value =
        |i: i64| (i as f64 / 1440.0 * std::f64::consts::TAU).sin() * 10.0 + (i % 7) as f64 * 0.1;
    let mut values: Vec<f64> = (0..5_760).map(value).collect();
    values[4_000] = 90.0;
    json!({"timestamps": timestamps, "values": values, "train": 2_880, "detector": "robust"})
}

async fn post(fixture: &Fixture, query: &str, body: &Value) -> anyhow::Result<Reply> {
    let path = format!("/v1/detect/plot{query}");
    fixture.send("POST", &path, body.to_string()).await
}

#[tokio::test]
async fn what_was_found_is_drawn() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let reply = post(&fixture, "", &wave()).await?;
    assert_eq!(reply.headers[header::CONTENT_TYPE], "image/png");
    assert_eq!(png_size(&reply.body)?, (800, 400));
    let reply = post(&fixture, "?format=svg&title=a+wave&height=300", &wave()).await?;
    assert_eq!(reply.headers[header::CONTENT_TYPE], "image/svg+xml");
    let svg = std::str::from_utf8(&reply.body)?;
    for part in [
        "height=\"300\"",
        "a wave",
        "5,760 points · robust",
        "fitted on 2,880 points",
        "<polygon",
        "1 anomaly",
        "1 episode",
    ] {
        assert!(svg.contains(part), "{part} in {svg}");
    }
    Ok(())
}

#[tokio::test]
async fn a_part_of_it_can_be_looked_at() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let from = 1_693_459_200 + 4_500 * 60;
    let reply = post(&fixture, &format!("?format=svg&from={from}"), &wave()).await?;
    let svg = std::str::from_utf8(&reply.body)?;
    assert!(svg.contains("1,260 of 5,760 points"), "{svg}");
    assert!(!svg.contains("fitted on") && !svg.contains("anomal"));
    let none = post(&fixture, "?to=5", &wave()).await?.refusal()?;
    assert_eq!((none.0, none.1.as_str()), (404, "no_points_in_range"));
    Ok(())
}

#[tokio::test]
async fn what_is_asked_wrongly_is_named() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    for query in [
        "version=v1",
        "series_id=s",
        "width=1",
        "from=x",
        "title=",
        "from=2&to=1",
    ] {
        let (status, code, detail) = post(&fixture, &format!("?{query}"), &wave())
            .await?
            .refusal()?;
        assert_eq!(
            (status, code.as_str()),
            (400, "invalid_parameter"),
            "{query}"
        );
        let name = query.split('=').next().unwrap_or_default();
        assert!(detail.contains(name), "{query}: {detail}");
    }
    let some = |rest: &str| format!(r#"{{"timestamps":[1,2,3,4,5],"values":[1,2,3,4,5]{rest}}}"#);
    for (body, fault) in [
        (String::new(), "EOF"),
        ("[]".to_owned(), "an object with timestamps and values"),
        (some(r#","series":"s""#), "unknown field `series`"),
        (some(r#","train":5"#), "train: 5 of 5"),
        (some(r#","train":3,"train":3"#), "duplicate field"),
        (some(r#","false_alarm_rate":1"#), "false_alarm_rate"),
        (
            r#"{"timestamps":[1],"values":[]}"#.to_owned(),
            "same non-zero length",
        ),
    ] {
        let reply = fixture
            .send("POST", "/v1/detect/plot", body.clone())
            .await?;
        let (status, code, detail) = reply.refusal()?;
        assert_eq!((status, code.as_str()), (400, "invalid_payload"), "{body}");
        assert!(detail.contains(fault), "{body}: {detail}");
    }
    let reply = fixture
        .send("POST", "/v1/detect/plot", some(r#","train":2"#))
        .await?;
    assert_eq!(reply.refusal()?.1, "insufficient_data");
    assert_eq!(fixture.get("/v1/detect/plot").await?.status, 405);
    Ok(())
}

#[tokio::test]
async fn more_than_can_be_drawn_are_refused_at_once() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let body = wave();
    let many = (0..40).map(|_| post(&fixture, "", &body));
    let replies = futures_util::future::try_join_all(many).await?;
    let count = |status: u16| {
        replies
            .iter()
            .filter(|reply| reply.status == status)
            .count()
    };
    assert!(count(200) >= 8, "{} drawn", count(200));
    assert_eq!(count(200) + count(503), 40);
    for reply in replies.iter().filter(|reply| reply.status == 503) {
        assert_eq!(reply.refusal()?.1, "overloaded");
    }
    // What was admitted has made room again.
    eventually(async || {
        let reply = post(&fixture, "", &body).await?;
        anyhow::ensure!(reply.status == 200, "{}", reply.status);
        Ok(())
    })
    .await
}
