//! ETags: what is shown has one, and who changes something can demand what it was.

use anyhow::ensure;
use contract::Revision;
use futures_util::future::try_join_all;

use crate::fixture::{Fixture, Reply, THREE};

/// The paths that show a series that was fitted twice and has an alias.
const SHOWN: [&str; 5] = [
    "/v1/series/s",
    "/v1/series/s/models",
    "/v1/series/s/models/v2",
    "/v1/series/s/models/best",
    "/v1/series/s/aliases/best",
];

async fn fixture() -> anyhow::Result<Fixture> {
    let fixture = Fixture::new().await?;
    for _ in 0..2 {
        ensure!(fixture.fit("s", THREE).await?.status == 200);
    }
    let set = fixture.send("PUT", "/v1/series/s/aliases/best", r#"{"version":"v1"}"#);
    ensure!(set.await?.revision()? == Revision(3));
    Ok(fixture)
}

fn check_mismatch(reply: &Reply, present: &str) -> anyhow::Result<()> {
    let (status, code, detail) = reply.refusal()?;
    ensure!(
        (status, code.as_str()) == (412, "revision_mismatch"),
        "{status} {code}"
    );
    ensure!(detail.contains(&format!("revision {present}")), "{detail}");
    ensure!(reply.header("etag")? == format!("\"{present}\""));
    Ok(())
}

#[tokio::test]
async fn all_that_is_shown_of_a_series_has_its_tag_and_is_not_sent_twice() -> anyhow::Result<()> {
    let fixture = fixture().await?;
    for path in SHOWN {
        let shown = fixture.get(path).await?;
        assert_eq!(shown.header("etag")?, "\"r3\"", "{path}");
        for known in ["\"r3\"", "W/\"r3\"", "\"r1\", \"r3\"", "*"] {
            let headers = [("if-none-match", known)];
            let reply = fixture.send_with("GET", path, &headers, "").await?;
            assert_eq!(
                (reply.status.as_u16(), reply.body.len()),
                (304, 0),
                "{path} {known}"
            );
            assert_eq!(reply.header("etag")?, "\"r3\"", "{path} {known}");
        }
        let stale = [("if-none-match", "\"r2\"")];
        let reply = fixture.send_with("GET", path, &stale, "").await?;
        assert_eq!(reply.body, shown.body, "{path}");
        let other = [("if-match", "\"r2\"")];
        check_mismatch(&fixture.send_with("GET", path, &other, "").await?, "r3")?;
        let malformed = [("if-none-match", "r3")];
        let refused = fixture
            .send_with("GET", path, &malformed, "")
            .await?
            .refusal()?;
        assert_eq!(
            (refused.0, refused.1.as_str()),
            (400, "invalid_header"),
            "{path}"
        );
    }
    Ok(())
}

/// Every change but an import, with a body, and the status when it is made.
const CHANGES: [(&str, &str, &str, u16); 6] = [
    (
        "PUT",
        "/v1/series/s/aliases/best",
        r#"{"version":"v2"}"#,
        200,
    ),
    (
        "PUT",
        "/v1/series/s/aliases/other",
        r#"{"version":"v2"}"#,
        200,
    ),
    ("DELETE", "/v1/series/s/aliases/best", "", 204),
    ("POST", "/v1/series/s/rollback", "", 200),
    ("DELETE", "/v1/series/s/models/v2", "", 204),
    ("DELETE", "/v1/series/s", "", 204),
];

#[tokio::test]
async fn a_change_is_made_only_of_what_the_client_knows() -> anyhow::Result<()> {
    for (method, path, body, made) in CHANGES {
        let fixture = fixture().await?;
        for demanded in ["\"r2\"", "W/\"r3\"", "\"r4\", W/\"r3\"", "\"r03\"", "\"x\""] {
            let headers = [("if-match", demanded)];
            let reply = fixture.send_with(method, path, &headers, body).await?;
            check_mismatch(&reply, "r3")?;
        }
        for (name, value) in [("if-match", "r3"), ("if-match", ""), ("if-none-match", "*")] {
            let headers = [(name, value)];
            let refused = fixture
                .send_with(method, path, &headers, body)
                .await?
                .refusal()?;
            assert_eq!(
                (refused.0, refused.1.as_str()),
                (400, "invalid_header"),
                "{method} {path}"
            );
        }
        assert_eq!(fixture.get("/v1/series/s").await?.json()?["revision"], "r3");
        let headers = [("if-match", "\"r1\""), ("if-match", "\"r3\"")];
        let reply = fixture.send_with(method, path, &headers, body).await?;
        assert_eq!(
            (reply.status.as_u16(), reply.revision()?),
            (made, Revision(4)),
            "{method} {path}"
        );
        assert_eq!(reply.header("etag")?, "\"r4\"", "{method} {path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_star_demands_that_what_is_changed_is_there() -> anyhow::Result<()> {
    for (method, path, body, made) in CHANGES {
        let fixture = fixture().await?;
        let headers = [("if-match", "*")];
        let reply = fixture.send_with(method, path, &headers, body).await?;
        match path {
            "/v1/series/s/aliases/other" => check_mismatch(&reply, "r3")?,
            _ => assert_eq!(reply.status.as_u16(), made, "{method} {path}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn of_two_promotions_that_know_the_same_exactly_one_is_made() -> anyhow::Result<()> {
    let fixture = fixture().await?;
    for round in 0..20 {
        let tag = fixture
            .get("/v1/series/s")
            .await?
            .header("etag")?
            .to_owned();
        let headers = [("if-match", &*tag)];
        // Each of them changes something, whichever comes first.
        let versions = if round % 2 == 0 {
            ["v1", "v1"]
        } else {
            ["v2", "v2"]
        };
        let promotions = versions.map(|version| {
            let body = format!(r#"{{"version":"{version}"}}"#);
            fixture.send_with("PUT", "/v1/series/s/aliases/champion", &headers, body)
        });
        let replies = try_join_all(promotions).await?;
        let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412], "round {round}");
    }
    Ok(())
}
