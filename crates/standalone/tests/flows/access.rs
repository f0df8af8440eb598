//! Who may do what, as the whole program has it.

use std::{fs, path::Path};

use anyhow::ensure;
use serde_json::Value;
use sha2::{Digest, Sha256};
use testkit::{
    eventually,
    process::{Process, free_port},
    series,
};

use crate::program::{Program, spawn};

/// A file with one key, whose secret is its id.
fn keys(folder: &Path, id: &str, rest: &str) -> anyhow::Result<String> {
    let hash = Sha256::digest(id);
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let path = folder.join("keys");
    let line = format!(r#"{{"id":"{id}","name":"tests","sha256":"{hash}",{rest}}}"#);
    fs::write(&path, line)?;
    Ok(path.to_string_lossy().into_owned())
}

/// The lines of the audit log so far, without their times.
fn audited(process: &Process) -> anyhow::Result<Vec<Value>> {
    let log = process.log()?;
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    Ok(lines
        .filter(|line: &Value| line["target"] == "audit")
        .collect())
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn changes_and_refusals_are_in_the_audit_log_whatever_the_level() -> anyhow::Result<()> {
    let (folder, data) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let scopes = r#""scopes":["fit","predict","admin"],"series":["s"]"#;
    let file = keys(folder.path(), "k1", scopes)?;
    let env = [
        ("API_KEYS_FILE", &*file),
        ("LOG_LEVEL", "off"),
        ("LOG_FORMAT", "json"),
    ];
    let program = Program::start_with(data.path(), &env).await?;
    let key = [("x-api-key", "k1"), ("x-request-id", "r1")];
    let send = async |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let sent = program
            .client
            .send(method, path, headers, Some(body.as_bytes()));
        anyhow::Ok(sent.await?.status)
    };
    let points = r#"{"timestamps":[1,2,3],"values":[1,2,3]}"#;
    // The name of this series tries to look like more fields, and like another line.
    let odd = "/fit/s%22%20key%3D%22root%22%E2%80%A8";
    assert_eq!(send("POST", odd, &key, points).await?, 200);
    assert_eq!(send("POST", "/fit/s", &key, points).await?, 200);
    assert_eq!(send("POST", "/fit/s", &key, "{}").await?, 400);
    let point = r#"{"timestamp":1,"value":1.0}"#;
    assert_eq!(send("POST", "/predict/s", &key, point).await?, 200);
    let champion = "/v1/series/s/aliases/champion";
    assert_eq!(
        send("PUT", champion, &key, r#"{"version":"v1"}"#).await?,
        200
    );
    assert_eq!(send("DELETE", "/v1/series/s", &key, "").await?, 204);
    assert_eq!(send("POST", "/fit/t", &key, points).await?, 403);
    assert_eq!(send("GET", "/v1/series", &[], "").await?, 401);

    let lines = eventually("the last line", async || {
        let lines = audited(&program.process)?;
        ensure!(lines.len() >= 7, "{lines:?}");
        Ok(lines)
    });
    let lines = lines.await?;
    let of = |name: &str| -> Vec<&str> {
        lines
            .iter()
            .map(|line| line[name].as_str().unwrap_or("?"))
            .collect()
    };
    assert_eq!(
        of("message"),
        [
            "change", "change", "change", "change", "change", "refused", "refused"
        ]
    );
    assert_eq!(of("key"), ["k1", "k1", "k1", "k1", "k1", "k1", "-"]);
    assert_eq!(
        of("series"),
        ["s\" key=\"root\"\u{2028}", "s", "s", "s", "s", "t", "-"]
    );
    assert_eq!(of("version")[..5], ["v1", "v1", "-", "v1", "-"]);
    assert_eq!(of("alias")[..5], ["-", "-", "-", "champion", "-"]);
    assert_eq!(
        of("method"),
        ["POST", "POST", "POST", "PUT", "DELETE", "POST", "GET"]
    );
    assert_eq!(
        of("route")[4..6],
        ["/v1/series/{series_id}", "/fit/{series_id}"]
    );
    assert_eq!(of("client"), ["127.0.0.1"; 7]);
    assert_eq!(of("request_id")[0], "r1");
    let statuses: Vec<_> = lines.iter().map(|line| line["status"].as_u64()).collect();
    assert_eq!(statuses, [200, 200, 400, 200, 204, 403, 401].map(Some));
    let log = program.process.log()?;
    assert_eq!(log.lines().count(), 7, "{log}");
    Ok(())
}

#[tokio::test]
async fn beyond_this_machine_it_needs_keys_or_a_decision() -> anyhow::Result<()> {
    let (folder, data) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let nothing = data.path().join("none");
    let all = ("APP_HOST", "0.0.0.0");
    for env in [
        vec![all],
        vec![all, ("ALLOW_ANONYMOUS", "false"), ("API_KEYS_FILE", " ")],
    ] {
        let mut process = spawn(&nothing, free_port()?, &env)?;
        ensure!(!process.ended().await?.success(), "it started");
        let said = process.log()?;
        assert!(
            said.contains("set API_KEYS_FILE, or ALLOW_ANONYMOUS=true"),
            "{said}"
        );
        assert!(!nothing.exists());
    }
    let meant = Program::start_with(data.path(), &[all, ("ALLOW_ANONYMOUS", "true")]).await?;
    let said = meant.process.log()?;
    assert_eq!(said.matches("WARN").count(), 1, "{said}");
    assert!(
        said.contains("everyone who reaches this address may do everything"),
        "{said}"
    );
    assert_eq!(meant.client.get("/v1/series").await?.status, 200);
    drop(meant);
    let file = keys(folder.path(), "k1", r#""scopes":["read"]"#)?;
    let env = [all, ("ALLOW_ANONYMOUS", "true"), ("API_KEYS_FILE", &*file)];
    let data = tempfile::tempdir()?;
    let guarded = Program::start_with(data.path(), &env).await?;
    assert_eq!(guarded.client.get("/v1/series").await?.status, 401);
    // Operators have a port of their own, on this machine only.
    assert_eq!(guarded.admin.get("/metrics").await?.status, 200);
    assert!(guarded.process.log()?.contains("admin=127.0.0.1:"));
    Ok(())
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
async fn a_page_has_its_key_in_a_cookie_and_changes_come_from_it_only() -> anyhow::Result<()> {
    let (folder, data) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = keys(folder.path(), "k-1", r#""scopes":["fit","predict","read"]"#)?;
    let program = Program::start_with(data.path(), &[("API_KEYS_FILE", &*file)]).await?;
    let client = program.client;
    let send = async |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        client
            .send(method, path, headers, Some(body.as_bytes()))
            .await
    };
    assert_eq!(send("POST", "/v1/session", &[], "").await?.status, 401);
    let wrong = [("authorization", "Bearer k-2")];
    assert_eq!(send("POST", "/v1/session", &wrong, "").await?.status, 401);
    let begun = send(
        "POST",
        "/v1/session",
        &[("authorization", "Bearer k-1")],
        "",
    )
    .await?;
    let cookie = begun.header("set-cookie").unwrap_or_default().to_owned();
    assert_eq!(begun.status, 204);
    assert_eq!(
        cookie,
        "anomaly_key=k%2D1; Path=/; HttpOnly; SameSite=Strict"
    );
    let pair = ("cookie", "anomaly_key=k%2D1");
    let by_tls = [("x-api-key", "k-1"), ("x-forwarded-proto", "https")];
    let begun = send("POST", "/v1/session", &by_tls, "").await?;
    ensure!(
        begun
            .header("set-cookie")
            .is_some_and(|cookie| cookie.ends_with("; Secure"))
    );

    let points = r#"{"timestamps":[1,2,3],"values":[1,2,3]}"#;
    let same = ("sec-fetch-site", "same-origin");
    for (site, status) in [
        (None, 403),
        (Some("cross-site"), 403),
        (Some("same-site"), 403),
    ] {
        let site = site.map(|site| ("sec-fetch-site", site));
        let headers: Vec<_> = [pair].into_iter().chain(site).collect();
        let refused = send("POST", "/fit/s", &headers, points).await?;
        assert_eq!(refused.status, status, "{site:?}");
        ensure!(
            refused.text().contains("Sec-Fetch-Site"),
            "{}",
            refused.text()
        );
    }
    assert_eq!(
        send("POST", "/fit/s", &[pair, same], points).await?.status,
        200
    );
    // Reading and judging change nothing, on the fast path or beside it.
    let point = r#"{"timestamp":4,"value":2.0}"#;
    assert_eq!(
        send("POST", "/predict/s", &[pair], point).await?.status,
        200
    );
    assert_eq!(
        client
            .send("GET", "/v1/series", &[pair], None)
            .await?
            .status,
        200
    );
    // A header counts more than a cookie.
    let both = [pair, ("authorization", "Bearer k-2")];
    assert_eq!(
        client.send("GET", "/v1/series", &both, None).await?.status,
        401
    );
    let twice = [("cookie", "anomaly_key=k%2D1; anomaly_key=k%2D1")];
    assert_eq!(
        client.send("GET", "/v1/series", &twice, None).await?.status,
        401
    );

    let ended = send("DELETE", "/v1/session", &[pair], "").await?;
    let removed = "anomaly_key=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0";
    assert_eq!(
        (ended.status, ended.header("set-cookie")),
        (204, Some(removed))
    );
    Ok(())
}

#[tokio::test]
async fn a_key_lists_its_series_only() -> anyhow::Result<()> {
    let (folder, data) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let rest = r#""scopes":["read","fit"],"series":["web.","a"]"#;
    let file = keys(folder.path(), "k1", rest)?;
    let first = Program::start(data.path()).await?;
    for id in ["a1", "a2", "b", "web", "web.x", "web.y"] {
        first.client.fit(id, &series::three(1.0)).await?;
    }
    drop(first);
    let program = Program::start_with(data.path(), &[("API_KEYS_FILE", &*file)]).await?;
    for (query, expected) in [
        ("", &["a1", "a2", "web.x", "web.y"][..]),
        ("?prefix=web", &["web.x", "web.y"]),
        ("?prefix=b", &[]),
        ("?after=a1", &["a2", "web.x", "web.y"]),
        ("?after=web.x", &["web.y"]),
        ("?limit=3", &["a1", "a2", "web.x"]),
    ] {
        let key = [("x-api-key", "k1")];
        let path = format!("/v1/series{query}");
        let reply = program.client.send("GET", &path, &key, None).await?;
        let list: Value = serde_json::from_slice(&reply.body)?;
        let listed = list["series"].as_array().into_iter().flatten();
        let listed: Vec<_> = listed
            .filter_map(|series| series["series_id"].as_str())
            .collect();
        assert_eq!(listed, expected, "{query}");
        let next = (query == "?limit=3").then_some("web.x");
        assert_eq!(list["next"].as_str(), next, "{query}");
    }
    Ok(())
}
