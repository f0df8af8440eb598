//! `Idempotency-Key`: one request, one version.

use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use futures_util::future::try_join_all;
use http_body_util::BodyExt;
use http_server::with_context;
use serde_json::json;
use tower::ServiceExt;
use trainer::{Settings, Trainer};

use crate::fixture::{Fixture, Reply, THREE};

const OTHER: &str = r#"{"timestamps":[1,2,3],"values":[1.0,2.0,4.0]}"#;

async fn fit(fixture: &Fixture, series: &str, key: &str, body: &str) -> anyhow::Result<Reply> {
    let path = format!("/fit/{series}");
    let headers = [("idempotency-key", key)];
    fixture
        .send_with("POST", &path, &headers, body.to_owned())
        .await
}

/// All of a reply that a client sees, but the id of its request.
fn seen(mut reply: Reply) -> (u16, String, String) {
    reply.headers.remove("x-request-id");
    let body = String::from_utf8_lossy(&reply.body).into_owned();
    (reply.status.as_u16(), format!("{:?}", reply.headers), body)
}

#[tokio::test]
async fn another_try_gets_the_reply_of_the_first() -> anyhow::Result<()> {
    let fixture = Fixture::fitted(1).await?;
    fixture
        .put("/v1/series/s/aliases/champion", r#"{"version":"v1"}"#)
        .await?;
    let first = fit(&fixture, "s", "k", THREE).await?;
    // With what was true then: a warning, the version that served, the revision.
    assert!(first.json()?["serving"] == "v1" && first.revision()?.0 == 3);
    let first = seen(first);
    fixture.delete("/v1/series/s/aliases/champion").await?;
    fixture.fit("s", OTHER).await?;
    for _ in 0..2 {
        assert_eq!(seen(fit(&fixture, "s", "k", THREE).await?), first);
    }
    assert_eq!(fixture.models().await?, 3);

    let reused = fit(&fixture, "s", "k", OTHER).await?.refusal()?;
    assert_eq!((reused.0, &*reused.1), (422, "idempotency_key_reused"));
    assert_eq!(fit(&fixture, "s", "k2", THREE).await?.version()?, "v4");
    assert_eq!(fit(&fixture, "t", "k", OTHER).await?.version()?, "v1");
    Ok(())
}

#[tokio::test]
async fn an_import_has_keys_too() -> anyhow::Result<()> {
    let fixture = Fixture::fitted(1).await?;
    let file = fixture.get("/v1/series/s/models/v1/export").await?.body;
    let import = async |headers: &[(&str, &str)]| {
        let path = "/v1/series/t/models";
        fixture.send_with("POST", path, headers, file.clone()).await
    };
    let key = ("idempotency-key", "k");
    let first = seen(import(&[key]).await?);
    assert!(
        first.0 == 201 && first.1.contains("/v1/series/t/models/v1"),
        "{first:?}"
    );
    assert_eq!(seen(import(&[key]).await?), first);
    // The condition held then.
    let stale = ("if-match", "\"r9\"");
    assert_eq!(seen(import(&[key, stale]).await?), first);
    assert_eq!(
        import(&[("idempotency-key", "k2"), stale]).await?.status,
        412
    );
    // A fit is another request, whatever its body.
    let text = String::from_utf8(file.to_vec())?;
    let reused = fit(&fixture, "t", "k", &text).await?.refusal()?;
    assert_eq!((reused.0, &*reused.1), (422, "idempotency_key_reused"));
    let imported = fixture.get("/v1/series/t").await?.json()?;
    assert_eq!(imported["models"], json!(1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_tries_at_the_same_time_one_is_done() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let tries = (0..8).map(|_| fit(&fixture, "s", "k", THREE));
    let replies = try_join_all(tries).await?;
    let done = replies.iter().filter(|reply| reply.status == 200).count();
    assert!(done >= 1);
    for reply in replies {
        match reply.status.as_u16() {
            200 => assert_eq!(reply.version()?, "v1"),
            status => {
                assert_eq!(
                    (status, &*reply.refusal()?.1),
                    (409, "idempotency_key_in_use")
                );
                assert_eq!(reply.header("retry-after")?, "1");
            }
        }
    }
    assert_eq!(fit(&fixture, "s", "k", THREE).await?.version()?, "v1");
    assert_eq!(fixture.models().await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_trainers_with_one_store_agree_on_the_version() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let second = Trainer::embedded(Settings::default(), fixture.backends.clone());
    let second = with_context(second.router());
    for round in 0..10 {
        let key = format!("k{round}");
        let request = Request::post("/fit/s").header("idempotency-key", &key);
        let request = request.body(Body::from(THREE))?;
        let (one, two) = tokio::join!(
            fit(&fixture, "s", &key, THREE),
            second.clone().oneshot(request)
        );
        let (one, two) = (one?, two?);
        assert_eq!((one.status, two.status()), (StatusCode::OK, StatusCode::OK));
        let two = two.into_body().collect().await?.to_bytes();
        assert_eq!(one.body, two);
    }
    let listed = fixture.get("/v1/series/s").await?.json()?;
    assert_eq!(listed["models"], json!(10));
    Ok(())
}

#[tokio::test]
async fn a_fit_that_failed_may_be_tried_again_with_its_key() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let bad = fit(&fixture, "s", "k", r#"{"timestamps":[1],"values":[]}"#).await?;
    assert_eq!(bad.status, 400);
    fixture.break_bus("training-data").await?;
    assert_eq!(fit(&fixture, "s", "k", THREE).await?.status, 503);
    fixture.repair_bus().await?;
    let done = fit(&fixture, "s", "k", THREE).await?;
    assert_eq!(done.status, 200);
    assert_eq!(seen(fit(&fixture, "s", "k", THREE).await?), seen(done));
    Ok(())
}

#[tokio::test]
async fn a_key_that_is_none_is_refused() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let long = "k".repeat(256);
    for key in ["", "a b", "é", &long] {
        let refused = fit(&fixture, "s", key, THREE).await?.refusal()?;
        assert_eq!((refused.0, &*refused.1), (400, "invalid_header"), "{key:?}");
        assert!(refused.2.contains("idempotency-key"), "{}", refused.2);
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "a")];
    let refused = fixture.send_with("POST", "/fit/s", &twice, THREE).await?;
    assert_eq!(refused.status, 400);
    assert_eq!(fit(&fixture, "s", &long[1..], THREE).await?.status, 200);
    Ok(())
}
