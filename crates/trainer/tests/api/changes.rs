//! Changes of series and models, and who is told of them.

use std::time::Duration;

use anyhow::{Context, ensure};
use contract::{ModelEvent, PointsRecord, Revision, SeriesId, StreamControl, Version};
use serde_json::json;

use crate::fixture::{Fixture, THREE};

const PUT_V1: &str = r#"{"version":"v1"}"#;

fn version(number: u32) -> Version {
    Version::new(number).expect("not zero")
}

#[tokio::test]
async fn what_judges_is_promoted_and_rolled_back_in_one_call() -> anyhow::Result<()> {
    let fixture = Fixture::fitted(3).await?;
    let judging = async |expected: &str| {
        let serving = fixture.serving("s").await?;
        ensure!(serving.as_deref() == Some(expected), "{serving:?}");
        Ok(())
    };
    // Where nothing was ever promoted, it goes to the version before the newest.
    let rolled = fixture.post("/v1/series/s/rollback", "").await?;
    assert_eq!(rolled.json()?["version"], "v2");
    judging("v2").await?;
    fixture.put("/v1/series/s/aliases/champion", PUT_V1).await?;
    judging("v1").await?;
    // A newer version does not judge while there is a champion.
    fixture.fit("s", THREE).await?;
    judging("v1").await?;
    assert_eq!(
        fixture.post("/v1/series/s/rollback", "{}").await?.json()?["version"],
        "v2"
    );
    judging("v2").await?;
    assert_eq!(
        fixture.post("/v1/series/s/rollback", "").await?.json()?["version"],
        "v1"
    );
    judging("v1").await?;
    let removed = fixture.delete("/v1/series/s/aliases/champion").await?;
    assert_eq!((removed.status.as_u16(), removed.body.len()), (204, 0));
    judging("v4").await?;

    let lonely = Fixture::fitted(1).await?;
    let refused = lonely.post("/v1/series/s/rollback", "").await?.refusal()?;
    assert_eq!(
        (refused.0, refused.1.as_str()),
        (409, "nothing_to_roll_back_to")
    );
    Ok(())
}

#[tokio::test]
async fn a_model_goes_unless_it_has_a_name_and_numbers_go_on() -> anyhow::Result<()> {
    let fixture = Fixture::fitted(3).await?;
    for alias in ["champion", "best"] {
        fixture
            .put(
                &format!("/v1/series/s/aliases/{alias}"),
                r#"{"version":"v2"}"#,
            )
            .await?;
    }
    let (status, code, detail) = fixture.delete("/v1/series/s/models/v2").await?.refusal()?;
    assert_eq!((status, code.as_str()), (409, "model_in_use"));
    assert!(detail.contains("best, champion"), "{detail}");

    let deleted = fixture.delete("/v1/series/s/models/v1").await?;
    assert_eq!(
        (deleted.status.as_u16(), deleted.revision()?),
        (204, Revision(6))
    );
    let gone = fixture.get("/v1/series/s/models/v1").await?.refusal()?;
    assert_eq!((gone.0, gone.1.as_str()), (404, "model_not_found"));
    let again = fixture.delete("/v1/series/s/models/v1").await?.refusal()?;
    assert_eq!(again.1, "model_not_found");
    assert_eq!(fixture.fit("s", THREE).await?.version()?, "v4");

    let deleted = fixture.delete("/v1/series/s").await?;
    assert_eq!(
        (deleted.status.as_u16(), deleted.revision()? > Revision(7)),
        (204, true)
    );
    assert_eq!(
        fixture.get("/v1/series/s").await?.refusal()?.1,
        "series_not_found"
    );
    assert_eq!(
        fixture.delete("/v1/series/s").await?.refusal()?.1,
        "series_not_found"
    );
    assert_eq!(
        fixture.get("/v1/series").await?.json()?["series"],
        json!([])
    );
    assert_eq!(fixture.models().await?, 0);
    let fitted = fixture.fit("s", THREE).await?;
    assert_eq!(fitted.version()?, "v5");
    assert!(fitted.revision()? > deleted.revision()?);
    Ok(())
}

#[tokio::test]
async fn a_series_that_has_only_a_stream_is_listed_and_deleted() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let begin = "INSERT INTO stream_sessions (series_id, partition, next_offset, run, points, last_arrival, \
                 labels, format, has_ended, phase, state) VALUES ('s', 0, 1, 0, 9, 0, '{}', 1, 0, 'silent', x'00')";
    fixture.in_store(begin).await?;
    let listed = fixture.get("/v1/series").await?;
    let line = r#"{"series":[{"series_id":"s","models":0,"stream":"silent"}],"next":null}"#;
    assert_eq!(listed.body, format!("{line}\n"));
    // It never had a revision.
    let stale = [("if-match", "\"r1\"")];
    let refused = fixture
        .send_with("DELETE", "/v1/series/s", &stale, "")
        .await?;
    assert_eq!(refused.refusal()?.1, "series_not_found");
    fixture.break_bus("points").await?;
    let unknown = fixture.delete("/v1/series/s").await?.refusal()?;
    assert_eq!((unknown.0, &*unknown.1), (503, "backend_unavailable"));
    fixture.repair_bus().await?;
    let deleted = fixture.delete("/v1/series/s").await?;
    assert_eq!((deleted.status.as_u16(), deleted.body.len()), (204, 0));
    let end = PointsRecord::Control {
        series_id: SeriesId::new("s")?,
        control: Box::new(StreamControl::End { forget: true }),
    };
    assert_eq!(fixture.published::<PointsRecord>(1).await?, [end]);
    let none = fixture.delete("/v1/series/t").await?.refusal()?;
    assert_eq!((none.0, &*none.1), (404, "series_not_found"));
    Ok(())
}

#[tokio::test]
async fn every_change_is_told_with_the_revision_that_the_client_hears() -> anyhow::Result<()> {
    let fixture = Fixture::fitted(3).await?;
    let mut events = fixture.backends.bus.tail::<ModelEvent>()?;
    let champion = "/v1/series/s/aliases/champion";
    let replies = [
        fixture.put(champion, PUT_V1).await?,
        fixture.post("/v1/series/s/rollback", "").await?,
        fixture.delete(champion).await?,
        fixture.delete("/v1/series/s/models/v1").await?,
        fixture.delete("/v1/series/s").await?,
    ];
    let promoted = |number: u32, revision: u64| ModelEvent::Promoted {
        series_id: SeriesId::new("s").unwrap(),
        version: version(number),
        revision: Some(Revision(revision)),
    };
    let deleted = |number: Option<u32>, revision: u64| ModelEvent::Deleted {
        series_id: SeriesId::new("s").unwrap(),
        version: number.map(version),
        revision: Some(Revision(revision)),
    };
    let expected = [
        promoted(1, 4),
        promoted(3, 5),
        promoted(3, 6),
        deleted(Some(1), 7),
        deleted(None, 8),
    ];
    let mut told = Vec::new();
    while told.len() < expected.len() {
        let batch = events.next_batch(10, Duration::ZERO).await?;
        told.extend(batch.into_iter().filter_map(|message| message.event.ok()));
    }
    assert_eq!(told, expected);
    for (reply, event) in replies.iter().zip(&expected) {
        assert!(reply.status.is_success());
        assert_eq!(Some(reply.revision()?), event.revision());
        let tag = format!("\"{}\"", reply.revision()?);
        assert_eq!(reply.header("etag")?, tag);
    }
    Ok(())
}

/// How many changes of a kind were counted, in this process.
fn counted(kind: &str) -> anyhow::Result<u64> {
    let text = prometheus::TextEncoder::new().encode_to_string(&prometheus::gather())?;
    ensure!(!text.contains("secret"), "the id of a series is told");
    let name = format!("anomaly_trainer_registry_changes_total{{change=\"{kind}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&name));
    Ok(value.with_context(|| format!("no {name}"))?.parse()?)
}

#[tokio::test]
async fn changes_are_counted_by_kind() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.fit("secret", THREE).await?;
    fixture.fit("secret", THREE).await?;
    let champion = "/v1/series/secret/aliases/champion";
    for (kind, method, path, body) in [
        ("alias_set", "PUT", champion, PUT_V1),
        ("rolled_back", "POST", "/v1/series/secret/rollback", ""),
        ("alias_removed", "DELETE", champion, ""),
        ("model_deleted", "DELETE", "/v1/series/secret/models/v1", ""),
        ("series_deleted", "DELETE", "/v1/series/secret", ""),
    ] {
        let before = counted(kind)?;
        assert!(
            fixture.send(method, path, body).await?.status.is_success(),
            "{kind}"
        );
        assert!(counted(kind)? > before, "{kind}");
    }
    counted("imported")?;
    counted("version_pruned").map(drop)
}

#[tokio::test]
async fn to_set_an_alias_to_what_it_names_changes_nothing() -> anyhow::Result<()> {
    let fixture = Fixture::fitted(2).await?;
    let path = "/v1/series/s/aliases/champion";
    let first = fixture.put(path, PUT_V1).await?;
    let second = fixture.put(path, PUT_V1).await?;
    assert_eq!(
        (second.status.as_u16(), second.revision()?),
        (200, first.revision()?)
    );
    assert_eq!(second.body, first.body);
    Ok(())
}

#[tokio::test]
async fn a_change_that_predictors_could_not_be_told_of_is_a_success() -> anyhow::Result<()> {
    let fixture = Fixture::fitted(2).await?;
    fixture.break_bus("models").await?;
    let reply = fixture.put("/v1/series/s/aliases/champion", PUT_V1).await?;
    assert_eq!(
        (reply.status.as_u16(), reply.revision()?),
        (200, Revision(3))
    );
    assert_eq!(fixture.serving("s").await?.as_deref(), Some("v1"));
    assert_eq!(fixture.delete("/v1/series/s").await?.status, 204);
    Ok(())
}
