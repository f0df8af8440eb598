//! Models as files: exported here, imported there.

use anyhow::Context;
use axum::http::header;
use clap::Parser;
use contract::{ModelFile, TrainingData};
use serde_json::json;
use sha2::{Digest, Sha256};
use trainer::{Config, Exports, Settings};

use crate::fixture::{Fixture, Reply, THREE};

async fn export(fixture: &Fixture, path: &str) -> anyhow::Result<Reply> {
    let reply = fixture.get(&format!("/v1/series/{path}/export")).await?;
    anyhow::ensure!(reply.status == 200, "{:?}", reply.refusal()?);
    Ok(reply)
}

async fn import(
    fixture: &Fixture,
    series: &str,
    file: impl Into<Vec<u8>>,
) -> anyhow::Result<Reply> {
    fixture
        .send("POST", &format!("/v1/series/{series}/models"), file.into())
        .await
}

/// `file` with the checksum that belongs to it.
fn sealed(file: &str) -> anyhow::Result<String> {
    let mut file: ModelFile = serde_json::from_str(file)?;
    file.checksum = None;
    file.signature = None;
    let digest = Sha256::digest(serde_json::to_string(&file)?);
    file.checksum = Some(digest.iter().map(|byte| format!("{byte:02x}")).collect());
    Ok(serde_json::to_string(&file)?)
}

#[tokio::test]
async fn an_exported_model_is_imported_as_the_next_version_of_any_series() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.fit("from", THREE).await?;
    fixture.fit("to%20there", THREE).await?;
    let file = export(&fixture, "from/models/v1").await?;
    assert_eq!(file.header("content-type")?, "application/json");
    assert_eq!(
        file.header("content-disposition")?,
        "attachment; filename=\"from-v1.model.json\""
    );
    let again = export(&fixture, "from/models/v1").await?;
    assert_eq!(file.body, again.body, "the same model has the same bytes");

    let reply = import(&fixture, "to%20there", file.body.clone()).await?;
    assert_eq!(
        (reply.status.as_u16(), reply.version()?),
        (201, "v2".to_owned())
    );
    assert_eq!(reply.header("location")?, "/v1/series/to%20there/models/v2");
    assert_eq!(
        (reply.header("etag")?, reply.header("x-series-revision")?),
        ("\"r2\"", "r2")
    );
    let info = fixture.get(reply.header("location")?).await?.json()?;
    let original = fixture.get("/v1/series/from/models/v1").await?.json()?;
    assert_eq!(
        (&info["source"], &original["source"]),
        (&json!("import"), &json!("fit"))
    );
    for field in [
        "detector",
        "params",
        "points",
        "fit_ms",
        "first_timestamp",
        "last_timestamp",
        "checksum",
        "size_bytes",
    ] {
        assert_eq!(info[field], original[field], "{field}");
    }
    assert_eq!(fixture.serving("to there").await?.as_deref(), Some("v2"));

    let there = export(&fixture, "to%20there/models/v2").await?;
    let (there, here) = (
        ModelFile::parse(&there.body)?,
        ModelFile::parse(&file.body)?,
    );
    assert_eq!(there.model.get(), here.model.get(), "byte for byte");
    // Its training points are not here, and no one is told that they were.
    assert_eq!(fixture.published::<TrainingData>(2).await?.len(), 2);
    let plot = fixture.get("/plot?series_id=to%20there&version=v2").await?;
    assert_eq!(plot.refusal()?.1, "no_training_data");
    Ok(())
}

#[tokio::test]
async fn the_name_of_a_file_is_plain_whatever_the_series_is_called() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    for (id, name) in [
        ("a%22b%3B%5C", "a_b__-v1.model.json"),
        ("%C3%A9t%C3%A9", "_t_-v1.model.json"),
        ("...", "_..-v1.model.json"),
        (
            &"l".repeat(200),
            &format!("{}-v1.model.json", "l".repeat(100)),
        ),
    ] {
        fixture.fit(id, THREE).await?;
        let file = export(&fixture, &format!("{id}/models/v1")).await?;
        let disposition = format!("attachment; filename=\"{name}\"");
        assert_eq!(
            file.headers[header::CONTENT_DISPOSITION],
            disposition,
            "{id}"
        );
    }
    Ok(())
}

/// `file` with something wrong in it, and the word for that.
fn faults(file: &str) -> anyhow::Result<Vec<(String, &'static str)>> {
    let with = |from: &str, to: &str| {
        anyhow::ensure!(file.contains(from), "no {from} in {file}");
        Ok(file.replacen(from, to, 1))
    };
    let parsed: serde_json::Value = serde_json::from_str(file)?;
    let own = parsed["model"]["checksum"]
        .as_str()
        .context("no checksum")?;
    let pretty = serde_json::to_string_pretty(&parsed)?;
    Ok(vec![
        (String::new(), "EOF"),
        (
            "[]".to_owned(),
            "expected an object with the fields of an exported model",
        ),
        (format!("[{file}]"), "expected an object"),
        (format!("{file}{file}"), "trailing characters"),
        (file[..file.len() / 2].to_owned(), "EOF"),
        (
            with(r#""anomaly_model":1"#, r#""anomaly_model":2"#)?,
            "form 2 is not known",
        ),
        (with(r#""version":"v1","#, "")?, "missing field `version`"),
        (
            with(r#""version":"v1""#, r#""version":1"#)?,
            "version: invalid type",
        ),
        (
            with(r#""version":"v1""#, r#""version":"v2""#)?,
            "checksum: ",
        ),
        (with(r#""points":3"#, r#""points":4"#)?, "checksum: "),
        (with(r#""fit_ms""#, r#""fitMs""#)?, "unknown field `fitMs`"),
        (pretty, "checksum: "),
        (sealed(&with(r#""points":3"#, r#""points":4"#)?)?, "model: "),
        (sealed(&with(own, &"0".repeat(64))?)?, "model: "),
        (
            sealed(&with(r#""detector":"sigma""#, r#""detector":"magic""#)?)?,
            "model: ",
        ),
        (
            sealed(&with(r#""first_timestamp":1"#, r#""first_timestamp":2"#)?)?,
            "first_timestamp: ",
        ),
        (sealed(&with(r#""fit_ms":"#, r#""fit_ms":-"#)?)?, "fit_ms: "),
        (
            sealed(&with(r#""created_at":"2"#, r#""created_at":"x"#)?)?,
            "created_at: ",
        ),
    ])
}

#[tokio::test]
async fn a_file_that_was_changed_is_refused_by_what_is_wrong_with_it() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let body = THREE.replace('}', r#","detector":"sigma"}"#);
    fixture.fit("s", &body).await?;
    let file = export(&fixture, "s/models/v1").await?;
    let file = String::from_utf8(file.body.to_vec())?;
    for (file, fault) in faults(&file)? {
        let refusal = import(&fixture, "t", file.clone()).await?.refusal()?;
        assert_eq!(
            (refusal.0, refusal.1.as_str()),
            (400, "invalid_model_file"),
            "{file}"
        );
        assert!(refusal.2.starts_with("Invalid model file: "), "{refusal:?}");
        assert!(refusal.2.contains(fault), "{refusal:?} for {file}");
    }
    assert_eq!(fixture.models().await?, 1);
    assert_eq!(
        import(&fixture, "t", sealed(&file)?).await?.version()?,
        "v1"
    );
    Ok(())
}

#[tokio::test]
async fn who_signed_a_file_decides_who_may_import_it() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let load = |name: &str, flags: &[&str]| {
        let config = Config::try_parse_from([&["trainer"], flags].concat())?;
        Exports::load(&config.exports, Some(&folder.path().join(name)))
    };
    let trainer = async |exports| {
        let fixture = Fixture::with(Settings {
            exports,
            ..Settings::default()
        });
        let fixture = fixture.await?;
        fixture.fit("s", THREE).await?;
        let file = export(&fixture, "s/models/v1").await?.body;
        anyhow::Ok((fixture, String::from_utf8(file.to_vec())?))
    };
    let (_, unsigned) = trainer(Exports::default()).await?;
    let (_, theirs) = trainer(load("theirs", &[])?).await?;
    let (open, ours) = trainer(load("ours", &[])?).await?;
    let (closed, _) = trainer(load("ours", &["--import-foreign=false"])?).await?;
    let key = theirs.split(':').rev().nth(1).context("no key")?;
    let trusting = ["--import-foreign=false", "--trusted-export-keys", key];
    let (trusting, _) = trainer(load("ours", &trusting)?).await?;

    let refuse = [("x-foreign-model", "refuse")];
    for (fixture, file, headers, status) in [
        (&open, &ours, &[][..], 201),
        (&open, &theirs, &[], 201),
        (&open, &unsigned, &[], 201),
        (&open, &ours, &refuse, 201),
        (&open, &theirs, &refuse, 403),
        (&open, &unsigned, &refuse, 403),
        (&closed, &ours, &[], 201),
        (&closed, &theirs, &[], 403),
        (&closed, &unsigned, &[], 403),
        (&trusting, &theirs, &refuse, 201),
        (&trusting, &unsigned, &[], 403),
    ] {
        let path = "/v1/series/t/models";
        let reply = fixture
            .send_with("POST", path, headers, file.clone())
            .await?;
        assert_eq!(reply.status.as_u16(), status, "{headers:?} {file}");
        if status == 403 {
            assert_eq!(reply.refusal()?.1, "foreign_model");
        }
    }
    // A file that was changed is refused, even with the right checksum, and so is a stolen
    // signature.
    let signature = |file: &str| -> anyhow::Result<String> {
        let file: ModelFile = serde_json::from_str(file)?;
        file.signature.context("no signature")
    };
    let changed = ours.replace(&signature(&ours)?, &signature(&theirs)?);
    let refusal = import(&open, "t", changed).await?.refusal()?;
    assert_eq!((refusal.0, &*refusal.1), (400, "invalid_model_file"));
    assert!(refusal.2.contains("signature: "), "{refusal:?}");
    Ok(())
}

#[tokio::test]
async fn files_are_bounded_like_fits() -> anyhow::Result<()> {
    let fixture = Fixture::with(Settings {
        max_body_bytes: 100,
        ..Settings::default()
    })
    .await?;
    let refusal = import(&fixture, "s", vec![b' '; 101]).await?.refusal()?;
    assert_eq!((refusal.0, refusal.1.as_str()), (413, "body_too_large"));
    Ok(())
}

#[tokio::test]
async fn an_import_is_made_only_of_what_the_client_knows() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    fixture.fit("s", THREE).await?;
    let file = export(&fixture, "s/models/v1").await?.body;
    let importing = async |series: &str, header: (&str, &str)| {
        let path = format!("/v1/series/{series}/models");
        fixture
            .send_with("POST", &path, &[header], file.clone())
            .await
    };
    for stale in ["\"r2\"", "W/\"r1\""] {
        let reply = importing("s", ("if-match", stale)).await?;
        assert_eq!(reply.refusal()?.1, "revision_mismatch", "{stale}");
        assert_eq!(reply.header("etag")?, "\"r1\"", "{stale}");
    }
    let absent = importing("nobody", ("if-match", "*")).await?;
    assert_eq!(absent.refusal()?.0, 412);
    let ignored = importing("s", ("if-none-match", "*")).await?;
    assert_eq!(ignored.refusal()?.1, "invalid_header");
    assert_eq!(fixture.serving("s").await?.as_deref(), Some("v1"));
    for known in ["\"r1\"", "*"] {
        let reply = importing("s", ("if-match", known)).await?;
        assert_eq!(reply.status, 201, "{known}");
    }
    // Of two that know the same, one is made.
    let both = ["a", "b"].map(|_| importing("s", ("if-match", "\"r3\"")));
    let replies = futures_util::future::try_join_all(both).await?;
    let mut statuses: Vec<_> = replies.iter().map(|r| r.status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 412]);
    Ok(())
}
