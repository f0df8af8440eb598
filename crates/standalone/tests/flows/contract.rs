//! The HTTP contract, over the whole platform.

use std::io::Read;

use contract::Problem;
use flate2::read::GzDecoder;
use testkit::{Platform, columns, compat, hostile, series, times};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_recorded_is_answered_as_recorded() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    compat::check(platform.client()).await?;
    platform.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_requests_are_refused_by_name_and_change_nothing() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    hostile::check(platform.client()).await?;
    platform.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_are_fitted_judged_drawn_and_refused_as_documented() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    columns::check(platform.client()).await?;
    platform.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dates_are_answered_as_the_integers_that_they_stand_for() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    times::check(platform.client()).await?;
    platform.stop().await.map(drop)
}

#[tokio::test]
async fn a_long_reply_is_the_same_packed_and_plain() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    let body = series::body(&series::rising(3_000, 1.0));
    let plain = client.post("/v1/detect", &body).await?;
    let asks = [("accept-encoding", "gzip")];
    let packed = client
        .send("POST", "/v1/detect", &asks, Some(body.as_bytes()))
        .await?;
    assert_eq!(
        (packed.status, packed.header("content-encoding")),
        (200, Some("gzip"))
    );
    let mut unpacked = Vec::new();
    GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked)?;
    assert!(unpacked == plain.body && packed.body.len() * 4 < plain.body.len());
    platform.stop().await.map(drop)
}

#[tokio::test]
async fn a_wrong_method_is_405_and_told_which_are_right() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    for (method, path, allowed) in [
        ("GET", "/fit/s", &["POST"][..]),
        ("DELETE", "/predict/s", &["POST"]),
        ("POST", "/plot?series_id=s", &["GET", "HEAD"]),
        ("PUT", "/healthcheck", &["GET", "HEAD"]),
        ("POST", "/livez", &["GET", "HEAD"]),
        ("PATCH", "/readyz", &["GET", "HEAD"]),
    ] {
        let reply = client.send(method, path, &[], None).await?;
        assert_eq!(reply.status, 405, "{method} {path}");
        reply.problem()?;
        let allow = reply.header("allow").unwrap_or_default();
        let mut methods: Vec<&str> = allow.split(',').map(str::trim).collect();
        methods.sort_unstable();
        assert_eq!(methods, allowed, "{method} {path}");
    }
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_is_a_404_that_names_what() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let client = platform.client();
    let code_of = |problem: &Problem| (problem.code.to_string(), problem.detail.to_string());

    // Figures for operators are never on the public port.
    for path in ["/fit", "/metrics", "/v1/nothing", "/plot/s"] {
        let reply = client.get(path).await?;
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(code_of(&reply.problem()?).0, "not_found", "{path}");
    }
    let reply = client
        .post("/predict/nobody", r#"{"timestamp":1,"value":1}"#)
        .await?;
    assert_eq!(reply.status, 404);
    assert_eq!(
        code_of(&reply.problem()?),
        ("model_not_found".to_owned(), "Model not found".to_owned())
    );
    client.fit("somebody", &series::three(1.0)).await?;
    for query in ["series_id=nobody", "series_id=somebody&version=v2"] {
        let reply = client.get(&format!("/plot?{query}")).await?;
        assert_eq!(reply.status, 404, "{query}");
        let (_, detail) = code_of(&reply.problem()?);
        let sentence = "No training data found for given series_id and version.";
        assert_eq!(detail, sentence, "{query}");
    }
    Ok(())
}

#[tokio::test]
async fn fields_that_mean_nothing_are_named_and_otherwise_ignored() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let body = r#"{"timestamps":[3,1,2],"values":[0,-1,1e2],"colour":"red"}"#;
    let fitted: contract::FitReply = platform.client().post("/fit/s", body).await?.ok()?;
    assert_eq!(
        (fitted.version.to_string(), fitted.points_used),
        ("v1".to_owned(), 3)
    );
    assert!(
        fitted.warnings.iter().any(|w| w.contains("colour")),
        "{fitted:?}"
    );
    let body = r#"{"timestamp":0,"value":0,"shade":1}"#;
    let judged: contract::PredictReply = platform.client().post("/predict/s", body).await?.ok()?;
    assert!(!judged.verdict.anomaly);
    assert!(
        judged.warnings.iter().any(|w| w.contains("shade")),
        "{judged:?}"
    );
    Ok(())
}
