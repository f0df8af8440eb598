//! A new version that does not serve predictions: the reply says which one does, and how to change
//! that.

use std::collections::BTreeMap;

use anyhow::ensure;
use contract::{Revision, Version};
use serde_json::json;
use trainer::Settings;

use crate::fixture::{Fixture, Reply, THREE};

/// Points and a detector that give no warnings of their own.
const BODY: &str = r#"{"timestamps":[1693459200,1693459260,1693459320],"values":[10.0,10.5,11.0],"detector":"sigma"}"#;

const CHAMPION: &str = "/v1/series/s/aliases/champion";

#[tokio::test]
async fn a_fit_behind_a_pinned_champion_says_that_it_does_not_serve() -> anyhow::Result<()> {
    let fixture = Fixture::fitted(2).await?;
    fixture.put(CHAMPION, r#"{"version":"v1"}"#).await?;
    let fitted = fixture.fit("s", BODY).await?.json()?;
    assert_eq!(
        (&fitted["version"], &fitted["serving"]),
        (&json!("v3"), &json!("v1"))
    );
    let [warning] = fitted["warnings"].as_array().map_or(&[][..], |w| w) else {
        anyhow::bail!("{fitted}");
    };
    let warning = warning.as_str().unwrap_or_default();
    assert!(warning.starts_with("v3 does not serve predictions: the alias champion names v1."));
    assert!(warning.contains("delete the alias"), "{warning}");
    assert_eq!(fixture.serving("s").await?.as_deref(), Some("v1"));

    let file = fixture.get("/v1/series/s/models/v2/export").await?.body;
    let imported = fixture.send("POST", "/v1/series/s/models", file).await?;
    let imported = imported.json()?;
    assert_eq!(
        (&imported["version"], &imported["serving"]),
        (&json!("v4"), &json!("v1"))
    );
    assert!(imported["warnings"][0].as_str() > Some("v4 does not serve predictions"));

    // What the warning says helps, either way.
    fixture.put(CHAMPION, r#"{"version":"v4"}"#).await?;
    assert_eq!(fixture.serving("s").await?.as_deref(), Some("v4"));
    fixture.delete(CHAMPION).await?;
    let last = fixture.fit("s", BODY).await?;
    assert_eq!(fixture.serving("s").await?, Some(last.version()?));
    says_nothing_of_serving(&last)
}

#[tokio::test]
async fn an_ordinary_reply_is_what_it_was() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let first = fixture.fit("s", BODY).await?;
    assert_eq!(
        first.json()?,
        json!({"series_id": "s", "version": "v1", "points_used": 3, "detector": "sigma"})
    );
    // Another alias pins nothing.
    fixture
        .put("/v1/series/s/aliases/best", r#"{"version":"v1"}"#)
        .await?;
    says_nothing_of_serving(&fixture.fit("s", BODY).await?)?;
    let file = fixture.get("/v1/series/s/models/v1/export").await?.body;
    says_nothing_of_serving(&fixture.send("POST", "/v1/series/s/models", file).await?)
}

fn says_nothing_of_serving(reply: &Reply) -> anyhow::Result<()> {
    let body = reply.json()?;
    ensure!(body.get("serving").is_none(), "{body}");
    ensure!(body.get("warnings").is_none(), "{body}");
    Ok(())
}

/// A change of the series, as its reply told it.
enum Change {
    Ready { version: Version, serving: Version },
    Champion(Option<Version>),
}

/// Fits `times` times, and keeps at which revision of the series each reply named which version as
/// serving.
async fn fits(fixture: &Fixture, times: usize) -> anyhow::Result<Vec<(Revision, Change)>> {
    let mut changes = Vec::new();
    for _ in 0..times {
        let reply = fixture.fit("s", BODY).await?;
        let body = reply.json()?;
        let version: Version = reply.version()?.parse()?;
        let serving = body["serving"].as_str().map(str::parse).transpose()?;
        ensure!(
            body.get("warnings").is_some() == serving.is_some(),
            "{body}"
        );
        let serving = serving.unwrap_or(version);
        changes.push((reply.revision()?, Change::Ready { version, serving }));
    }
    Ok(changes)
}

/// Promotes v1 and unpins it again, `times` times.
async fn pins(fixture: &Fixture, times: usize) -> anyhow::Result<Vec<(Revision, Change)>> {
    let mut changes = Vec::new();
    for _ in 0..times {
        let set = fixture.put(CHAMPION, r#"{"version":"v1"}"#).await?;
        changes.push((set.revision()?, Change::Champion(Version::new(1))));
        let removed = fixture.delete(CHAMPION).await?;
        changes.push((removed.revision()?, Change::Champion(None)));
    }
    Ok(changes)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_version_that_serves_is_that_of_the_revision_in_the_reply() -> anyhow::Result<()> {
    // No version goes in between.
    let fixture = Fixture::with(Settings {
        keep_versions: 0,
        ..Settings::default()
    })
    .await?;
    fixture.fit("s", THREE).await?;
    let (one, two, three, pinned) = tokio::try_join!(
        fits(&fixture, 40),
        fits(&fixture, 40),
        fits(&fixture, 40),
        pins(&fixture, 100),
    )?;
    let all = [one, two, three, pinned].into_iter().flatten();
    let history: BTreeMap<Revision, Change> = all.collect();
    assert_eq!(history.len(), 320, "each change has a revision of its own");
    let (mut newest, mut champion) = (Version::new(1), None);
    for (revision, change) in history {
        match change {
            Change::Champion(version) => champion = version,
            Change::Ready { version, serving } => {
                newest = newest.max(Some(version));
                assert_eq!(
                    Some(serving),
                    champion.or(newest),
                    "{version} at {revision}"
                );
            }
        }
    }
    Ok(())
}
