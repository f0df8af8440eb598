//! Read your writes: what a client was told of a series is in force for what it asks next.

use crate::{
    door::{Door, POINT, POINTS},
    fake::{Fake, reply},
};

/// A trainer whose replies have these statuses and revisions, one after the other, and a predictor.
async fn platform(revisions: &'static [&str]) -> anyhow::Result<(Door, Fake, Fake)> {
    let trainer = Fake::start(move |mut peer| async move {
        for revision in revisions {
            if peer.request().await.is_none() {
                return Ok(());
            }
            let (status, revision) = revision.split_once(' ').unwrap_or(("200", revision));
            let line = format!("x-series-revision: {revision}\r\n");
            peer.send(match status {
                "204" => format!("HTTP/1.1 204 x\r\n{line}\r\n"),
                _ => reply(&format!("{status} x"), &line, "{}"),
            })
            .await?;
        }
        Ok(())
    })
    .await?;
    let predictor = Fake::answering("{}").await?;
    let door = Door::open(&trainer.url(), &predictor.url(), &[]).await?;
    Ok((door, trainer, predictor))
}

/// The revision that a prediction for `series` has to be up to.
async fn asked(door: &Door, predictor: &Fake, series: &str) -> anyhow::Result<Option<String>> {
    door.predict(series).await?;
    let revision = predictor.last();
    Ok(revision.header("x-min-revision").map(str::to_owned))
}

#[tokio::test]
async fn a_prediction_asks_for_the_revision_that_a_fit_was_answered_with() -> anyhow::Result<()> {
    let (door, _trainer, predictor) = platform(&["r2", "r12", "r3"]).await?;
    let asked = async |series: &str| asked(&door, &predictor, series).await;
    assert_eq!(asked("s").await?, None);
    assert_eq!(door.fit("s").await?.header("x-series-revision"), Some("r2"));
    assert_eq!(asked("s").await?.as_deref(), Some("r2"));
    assert_eq!(asked("s1").await?, None);
    door.fit("s").await?;
    assert_eq!(asked("s").await?.as_deref(), Some("r12"));
    // The reply to an older fit may come later.
    door.fit("s").await?;
    assert_eq!(asked("s").await?.as_deref(), Some("r12"));
    Ok(())
}

#[tokio::test]
async fn every_change_of_a_series_counts_and_batches_ask_as_predictions_do() -> anyhow::Result<()> {
    let (door, _trainer, predictor) =
        platform(&["r1", "201 r2", "r3", "204 r4", "r5", "r6", "r7", "r8"]).await?;
    let mut client = door.client().await?;
    for (line, revision) in [
        ("POST /fit/s", "r1"),
        ("POST /v1/series/%73/models", "r2"),
        ("PUT /v1/series/s/aliases/champion", "r3"),
        ("DELETE /v1/series/s/aliases/champion", "r4"),
        ("POST /v1/series/s/rollback", "r5"),
        ("DELETE /v1/series/s/models/v1", "r6"),
        ("DELETE /v1/series/s", "r7"),
        // Whoever has seen it may rely on it.
        ("GET /v1/series/s", "r8"),
    ] {
        assert!(client.request(line, "", "{}").await?.status < 300);
        let asked = asked(&door, &predictor, "s").await?;
        assert_eq!(asked.as_deref(), Some(revision), "{line}");
        door.client()
            .await?
            .post("/predict/s/batch", POINTS)
            .await?;
        let batch = predictor.last();
        assert_eq!(batch.header("x-min-revision"), Some(revision), "{line}");
    }
    Ok(())
}

#[tokio::test]
async fn a_series_is_the_same_however_its_id_is_spelled() -> anyhow::Result<()> {
    let (door, trainer, predictor) = platform(&["r5"]).await?;
    assert_eq!(door.fit("%61%20b%C3%A9").await?.status, 200);
    assert_eq!(trainer.last().line(), "POST /fit/%61%20b%C3%A9 HTTP/1.1");
    door.predict("a%20b%c3%a9").await?;
    assert_eq!(
        predictor.last().line(),
        "POST /predict/a%20b%c3%a9 HTTP/1.1"
    );
    assert_eq!(predictor.last().header("x-min-revision"), Some("r5"));
    Ok(())
}

#[tokio::test]
async fn only_a_change_that_succeeded_with_a_revision_is_remembered() -> anyhow::Result<()> {
    let (door, trainer, predictor) =
        platform(&["400 r7", "503 r7", "409 r7", "7", "v1", "r"]).await?;
    for number in 1..=6 {
        door.fit("s").await?;
        assert_eq!(trainer.received().len(), number);
        assert_eq!(asked(&door, &predictor, "s").await?, None);
    }
    Ok(())
}

#[tokio::test]
async fn a_client_cannot_ask_for_a_revision_itself() -> anyhow::Result<()> {
    let (door, _trainer, predictor) = platform(&["r2"]).await?;
    let mut client = door.client().await?;
    let line = "x-min-revision: r999\r\n";
    client.post_with("/predict/s", line, POINT).await?;
    assert_eq!(predictor.last().header("x-min-revision"), None);
    door.fit("s").await?;
    for path in ["/predict/s", "/predict/s/batch"] {
        client.post_with(path, line, POINT).await?;
        let head = predictor.last().head;
        assert_eq!(head.matches("x-min-revision").count(), 1, "{path}");
        assert_eq!(predictor.last().header("x-min-revision"), Some("r2"));
    }
    Ok(())
}
