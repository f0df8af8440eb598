//! Judging by a version, or by an alias, that the request names.

use anyhow::ensure;
use contract::{Revision, SeriesId};
use store::Precondition;

use crate::fixture::{Fixture, NORMAL};

/// A series with versions 1 to 3, of which 1 is the canary.
async fn three() -> anyhow::Result<Fixture> {
    let fixture = Fixture::new().await?;
    for _ in 0..3 {
        fixture.store("s").await?;
    }
    fixture.alias("s", "canary", "v1").await?;
    Ok(fixture)
}

#[tokio::test]
async fn query_or_body_name_a_version_or_an_alias() -> anyhow::Result<()> {
    let fixture = three().await?;
    let body = |version| format!(r#"{{"timestamp":4,"value":2.0,"version":"{version}"}}"#);
    for (version, judge) in [("v1", "v1"), ("v2", "v2"), ("v3", "v3"), ("canary", "v1")] {
        // The second time from memory.
        for _ in 0..2 {
            let query = format!("s?version={version}");
            assert_eq!(fixture.judge(&query).await?, judge);
            let reply = fixture.predict("s", &body(version)).await?;
            assert_eq!(reply.version()?, judge);
            let both = fixture.predict(&query, &body(version)).await?;
            assert_eq!(both.version()?, judge);
        }
    }
    let differ = fixture.predict("s?version=v1", &body("v2")).await?;
    assert_eq!(
        differ.refusal(),
        (
            400,
            "invalid_parameter",
            "Invalid version: the query asks for v1, the body for v2"
        )
    );
    let none = fixture.predict("s?version=V1", NORMAL).await?;
    assert_eq!(
        (none.refusal().0, none.refusal().1),
        (400, "invalid_parameter")
    );
    Ok(())
}

#[tokio::test]
async fn what_there_is_not_is_named() -> anyhow::Result<()> {
    let fixture = three().await?;
    for (asked, refusal) in [
        (
            "s?version=v4",
            (404, "model_not_found", "Model v4 not found"),
        ),
        (
            "s?version=champion",
            (404, "alias_not_found", "Alias champion not found"),
        ),
        ("t?version=v1", (404, "model_not_found", "Model not found")),
    ] {
        for _ in 0..2 {
            assert_eq!(fixture.predict(asked, NORMAL).await?.refusal(), refusal);
        }
    }
    let champion = fixture.alias("s", "champion", "v2").await?;
    fixture.predict_since("s", champion).await?;
    assert_eq!(fixture.judge("s?version=champion").await?, "v2");
    // A version that comes into being is found by who knows of it, though it was known to be absent.
    let (_, revision) = fixture.store("s").await?;
    let reply = fixture.predict_since("s?version=v4", revision).await?;
    assert_eq!(reply.version()?, "v4");
    Ok(())
}

#[tokio::test]
async fn an_alias_means_what_it_meant_at_the_revision_that_the_caller_knows() -> anyhow::Result<()>
{
    let fixture = three().await?;
    assert_eq!(fixture.judge("s?version=canary").await?, "v1");
    let moved = fixture.alias("s", "canary", "v2").await?;
    assert_eq!(
        fixture.judge("s?version=canary").await?,
        "v1",
        "not heard of"
    );
    let reply = fixture.predict_since("s?version=canary", moved).await?;
    assert_eq!(reply.version()?, "v2");
    assert_eq!(fixture.judge("s?version=canary").await?, "v2");
    Ok(())
}

#[tokio::test]
async fn a_deleted_version_answers_no_more_once_that_is_known() -> anyhow::Result<()> {
    let fixture = three().await?;
    assert_eq!(fixture.judge("s?version=v2").await?, "v2");
    let deleted = fixture.delete("s", "v2").await?;
    assert_eq!(fixture.judge("s?version=v2").await?, "v2", "not heard of");
    let gone = (404, "model_not_found", "Model v2 not found");
    let reply = fixture.predict_since("s?version=v2", deleted).await?;
    assert_eq!(reply.refusal(), gone);
    // And not for the others any more either.
    assert_eq!(
        fixture.predict("s?version=v2", NORMAL).await?.refusal(),
        gone
    );
    assert_eq!(fixture.judge("s?version=v1").await?, "v1");
    assert_eq!(fixture.judge("s").await?, "v3");
    Ok(())
}

#[tokio::test]
async fn a_deleted_series_takes_its_versions_along() -> anyhow::Result<()> {
    let fixture = three().await?;
    assert_eq!(fixture.judge("s?version=v1").await?, "v1");
    let store = &fixture.backends.store;
    let series = SeriesId::new("s")?;
    let deleted = store.delete_series(&series, &Precondition::Any);
    let revision = deleted.await?.revision;
    for asked in ["s", "s?version=v1", "s?version=canary"] {
        let reply = fixture.predict_since(asked, revision).await?;
        assert_eq!(reply.refusal(), (404, "model_not_found", "Model not found"));
    }
    Ok(())
}

#[tokio::test]
async fn what_is_held_needs_no_store() -> anyhow::Result<()> {
    let fixture = three().await?;
    assert_eq!(fixture.judge("s?version=v1").await?, "v1");
    fixture.backends.store.close().await;
    assert_eq!(fixture.judge("s?version=v1").await?, "v1");
    assert_eq!(
        fixture.judge("s?version=v3").await?,
        "v3",
        "it serves anyway"
    );
    let reply = fixture.predict("s?version=v2", NORMAL).await?;
    ensure!(reply.refusal().1 == "backend_unavailable", "{}", reply.text);
    assert!(reply.headers.contains_key("retry-after"));
    let reply = fixture.predict_since("s?version=v1", Revision(99)).await?;
    assert_eq!(reply.status, 503, "an older answer would be wrong");
    Ok(())
}

#[tokio::test]
async fn who_does_not_want_to_wait_hears_at_once_what_is_not_in_memory() -> anyhow::Result<()> {
    let fixture = three().await?;
    let ask = async |query: &str, revision: &str| {
        let path = format!("/predict/s{query}");
        let headers = [
            ("cache-control", "only-if-cached"),
            ("x-min-revision", revision),
        ];
        let reply = fixture.send("POST", &path, &headers, NORMAL).await?;
        anyhow::Ok(reply.version().unwrap_or_else(|_| reply.refusal().1.into()))
    };
    // Not even a load is begun.
    for _ in 0..2 {
        assert_eq!(ask("", "r0").await?, "not_cached");
    }
    assert_eq!(fixture.judge("s").await?, "v3");
    assert_eq!(ask("", "r0").await?, "v3");
    assert_eq!(ask("", "r99").await?, "not_cached");
    for version in ["v1", "canary"] {
        let query = format!("?version={version}");
        let asked = ask(&query, "r0").await?;
        let known = if version == "v1" { "not_cached" } else { "v1" };
        assert_eq!(asked, known);
        assert_eq!(fixture.judge(&format!("s{query}")).await?, "v1");
        assert_eq!(ask(&query, "r0").await?, "v1");
    }
    assert_eq!(ask("?version=v3", "r0").await?, "v3");
    assert_eq!(ask("?version=other", "r0").await?, "alias_not_found");
    fixture.judge("s?version=v9").await.unwrap_err();
    assert_eq!(ask("?version=v9", "r0").await?, "model_not_found");
    let batch = ("cache-control", "only-if-cached");
    let body = r#"{"timestamps":[1],"values":[2]}"#;
    let reply = fixture
        .send("POST", "/predict/s/batch", &[batch], body)
        .await?;
    assert_eq!(reply.status, 200, "{}", reply.text);
    Ok(())
}
