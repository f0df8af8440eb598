//! Fits and imports where there is no room for a further model.

use store::Quotas;
use trainer::Settings;

use crate::fixture::{Fixture, THREE};

async fn with(quotas: Quotas, min_free_bytes: Option<u64>) -> anyhow::Result<Fixture> {
    Fixture::with(Settings {
        quotas,
        min_free_bytes,
        ..Settings::default()
    })
    .await
}

/// Fits series one after the other. Returns the status and the detail of each reply.
async fn fit_all(fixture: &Fixture, all: &[&str]) -> anyhow::Result<Vec<(u16, String)>> {
    let mut replies = Vec::new();
    for series in all {
        let reply = fixture.fit(series, THREE).await?;
        let detail = reply.json()?["detail"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        replies.push((reply.status.as_u16(), detail));
    }
    Ok(replies)
}

#[tokio::test]
async fn a_quota_of_series_stops_new_series_only() -> anyhow::Result<()> {
    let quotas = Quotas {
        max_series: 2,
        ..Quotas::default()
    };
    let fixture = with(quotas, None).await?;
    let replies = fit_all(&fixture, &["a", "b", "c", "a"]).await?;
    let statuses: Vec<u16> = replies.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 200, 507, 200]);
    assert_eq!(replies[2].1, "There are already 2 series (MAX_SERIES)");
    assert_eq!(fixture.models().await?, 3, "nothing is left of the third");
    // An import needs room, too.
    let file = fixture.get("/v1/series/a/models/v1/export").await?.body;
    let file = String::from_utf8(file.to_vec())?;
    let import = fixture.post("/v1/series/c/models", &file).await?;
    let (status, code, _) = import.refusal()?;
    assert_eq!((status, code.as_str()), (507, "quota_exceeded"));
    assert_eq!(fixture.delete("/v1/series/b").await?.status, 204);
    assert_eq!(fit_all(&fixture, &["c"]).await?[0].0, 200);
    Ok(())
}

#[tokio::test]
async fn a_quota_of_versions_or_bytes_stops_every_fit() -> anyhow::Result<()> {
    let versions = Quotas {
        max_versions: 2,
        ..Quotas::default()
    };
    let bytes = Quotas {
        // An empty database has more.
        max_store_bytes: 1,
        ..Quotas::default()
    };
    let fixture = with(versions, None).await?;
    let replies = fit_all(&fixture, &["a", "a", "a"]).await?;
    let refused = "There are already 2 versions (MAX_VERSIONS)".to_owned();
    assert_eq!((replies[1].0, &replies[2]), (200, &(507, refused)));
    let fixture = with(bytes, None).await?;
    let refused = "The store already has 1 bytes (MAX_STORE_BYTES)".to_owned();
    assert_eq!(fit_all(&fixture, &["a"]).await?, [(507, refused)]);
    Ok(())
}

#[tokio::test]
async fn a_version_for_which_an_older_one_goes_needs_no_room() -> anyhow::Result<()> {
    let fixture = Fixture::with(Settings {
        quotas: Quotas {
            max_versions: 3,
            ..Quotas::default()
        },
        keep_versions: 2,
        ..Settings::default()
    })
    .await?;
    let statuses = async |all: &[&str]| -> anyhow::Result<Vec<u16>> {
        let replies = fit_all(&fixture, all).await?;
        Ok(replies.iter().map(|(status, _)| *status).collect())
    };
    let replies = statuses(&["a", "b", "a", "a", "a", "b", "c"]).await?;
    assert_eq!(replies, [200, 200, 200, 200, 200, 507, 507]);
    assert_eq!(fixture.models().await?, 3);
    // Of a: v3 is pinned and v4 the newest; no further one would make a version go.
    let pin = r#"{"version":"v3"}"#;
    let pinned = fixture.put("/v1/series/a/aliases/champion", pin).await?;
    assert_eq!(pinned.status, 200);
    assert_eq!(statuses(&["a", "a"]).await?, [507, 507]);
    Ok(())
}

#[tokio::test]
async fn a_nearly_full_disk_stops_fits_before_anything_is_written() -> anyhow::Result<()> {
    let fixture = with(Quotas::default(), Some(u64::MAX)).await?;
    let (status, code, detail) = fixture.fit("a", THREE).await?.refusal()?;
    assert_eq!((status, code.as_str()), (507, "insufficient_storage"));
    assert!(detail.contains("MIN_FREE_BYTES"), "{detail}");
    assert_eq!(fixture.models().await?, 0);
    Ok(())
}
