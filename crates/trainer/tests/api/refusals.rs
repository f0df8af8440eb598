//! Requests that the registry refuses: for things that are not there, that it does not know, or
//! that it cannot do now.

use axum::http::header;
use serde_json::json;

use crate::fixture::Fixture;

const PUT_V1: &str = r#"{"version":"v1"}"#;

#[tokio::test]
async fn what_is_not_there_is_named() -> anyhow::Result<()> {
    let fixture = Fixture::fitted(1).await?;
    for (method, path, code) in [
        ("GET", "/v1/series/nobody", "series_not_found"),
        ("DELETE", "/v1/series/nobody", "series_not_found"),
        ("GET", "/v1/series/nobody/models", "series_not_found"),
        ("GET", "/v1/series/nobody/models/v1", "series_not_found"),
        ("DELETE", "/v1/series/nobody/models/v1", "series_not_found"),
        (
            "GET",
            "/v1/series/nobody/models/v1/export",
            "series_not_found",
        ),
        (
            "GET",
            "/v1/series/nobody/aliases/champion",
            "series_not_found",
        ),
        (
            "PUT",
            "/v1/series/nobody/aliases/champion",
            "series_not_found",
        ),
        (
            "DELETE",
            "/v1/series/nobody/aliases/champion",
            "series_not_found",
        ),
        ("POST", "/v1/series/nobody/rollback", "series_not_found"),
        ("GET", "/v1/series/s/models/v2", "model_not_found"),
        ("GET", "/v1/series/s/models/best", "alias_not_found"),
        ("DELETE", "/v1/series/s/models/v2", "model_not_found"),
        ("DELETE", "/v1/series/s/models/best", "alias_not_found"),
        (
            "GET",
            "/v1/series/s/models/v4294967295/export",
            "model_not_found",
        ),
        ("GET", "/v1/series/s/models/best/export", "alias_not_found"),
        ("GET", "/v1/series/s/aliases/champion", "alias_not_found"),
        ("DELETE", "/v1/series/s/aliases/champion", "alias_not_found"),
    ] {
        let body = if method == "PUT" { PUT_V1 } else { "" };
        let (status, found, _) = fixture.send(method, path, body).await?.refusal()?;
        assert_eq!((status, found.as_str()), (404, code), "{method} {path}");
    }
    for (body, code) in [
        (r#"{"version":"v2"}"#, "model_not_found"),
        (r#"{"version":"best"}"#, "alias_not_found"),
    ] {
        let refused = fixture
            .put("/v1/series/s/aliases/champion", body)
            .await?
            .refusal()?;
        assert_eq!((refused.0, refused.1.as_str()), (404, code), "{body}");
    }
    Ok(())
}

/// Every route, with a method and a body that it takes.
const ROUTES: [(&str, &str, &str); 12] = [
    ("GET", "/v1/series", ""),
    ("GET", "/v1/series/s", ""),
    ("DELETE", "/v1/series/s", ""),
    ("GET", "/v1/series/s/models", ""),
    ("POST", "/v1/series/s/models", "{}"),
    ("GET", "/v1/series/s/models/v1", ""),
    ("DELETE", "/v1/series/s/models/v1", ""),
    ("GET", "/v1/series/s/models/v1/export", ""),
    ("GET", "/v1/series/s/aliases/best", ""),
    ("PUT", "/v1/series/s/aliases/best", PUT_V1),
    ("DELETE", "/v1/series/s/aliases/best", ""),
    ("POST", "/v1/series/s/rollback", ""),
];

#[tokio::test]
async fn what_a_route_does_not_know_is_refused_by_name_and_changes_nothing() -> anyhow::Result<()> {
    let fixture = Fixture::fitted(2).await?;
    fixture.put("/v1/series/s/aliases/best", PUT_V1).await?;
    for (method, path, body) in ROUTES {
        let reply = fixture
            .send(method, &format!("{path}?colour=red"), body)
            .await?;
        let (status, code, detail) = reply.refusal()?;
        assert_eq!(
            (status, code.as_str()),
            (400, "invalid_parameter"),
            "{method} {path}"
        );
        assert_eq!(detail, "Unknown query parameter: colour", "{method} {path}");
    }
    for (path, code) in [
        ("/v1/series/a%2Fb", "invalid_series_id"),
        ("/v1/series/a%00b/models", "invalid_series_id"),
        ("/v1/series/%FF/models/v1", "invalid_series_id"),
        ("/v1/series/../models/v1/export", "invalid_series_id"),
        ("/v1/series/%2E/aliases/best", "invalid_series_id"),
        ("/v1/series/s/models/v01", "invalid_version"),
        ("/v1/series/s/models/v0/export", "invalid_version"),
        ("/v1/series/s/models/V1", "invalid_version"),
        ("/v1/series/s/models/%FF", "invalid_version"),
        ("/v1/series/s/models/%20", "invalid_version"),
        ("/v1/series/s/aliases/v7", "invalid_alias"),
        ("/v1/series/s/aliases/Best", "invalid_alias"),
        ("/v1/series/s/aliases/a%2Fb", "invalid_alias"),
        ("/v1/series/s/aliases/%FF", "invalid_alias"),
    ] {
        let (status, found, _) = fixture.get(path).await?.refusal()?;
        assert_eq!((status, found.as_str()), (400, code), "{path}");
    }
    let detail = fixture.get("/v1/series/s").await?.json()?;
    assert_eq!(
        (&detail["models"], &detail["revision"]),
        (&json!(2), &json!("r3"))
    );
    Ok(())
}

/// Bodies that are not valid for a change, and their faults.
const BODIES: [(&str, &str, &str, &str); 10] = [
    ("PUT", "aliases/best", "", "EOF while parsing"),
    (
        "PUT",
        "aliases/best",
        "[]",
        "expected an object with a version",
    ),
    ("PUT", "aliases/best", "{}", "missing field `version`"),
    (
        "PUT",
        "aliases/best",
        r#"{"version":1}"#,
        "version: invalid type",
    ),
    (
        "PUT",
        "aliases/best",
        r#"{"version":"V1"}"#,
        "version: it is neither a version",
    ),
    (
        "PUT",
        "aliases/best",
        r#"{"version":"v1","x":1}"#,
        "unknown field `x`",
    ),
    (
        "PUT",
        "aliases/best",
        r#"{"version":"v1","version":"v1"}"#,
        "duplicate field",
    ),
    (
        "PUT",
        "aliases/best",
        r#"{"version":"v1"} x"#,
        "trailing characters",
    ),
    ("POST", "rollback", r#"{"to":"v1"}"#, "unknown field `to`"),
    ("POST", "rollback", "null", "expected an object"),
];

#[tokio::test]
async fn bodies_are_read_strictly() -> anyhow::Result<()> {
    let fixture = Fixture::fitted(2).await?;
    let large = " ".repeat(5_000);
    let large = [
        ("PUT", "aliases/best", &*large, "more than 4096 bytes"),
        ("POST", "rollback", &*large, "more than 4096 bytes"),
    ];
    for (method, path, body, fault) in BODIES.into_iter().chain(large) {
        let path = format!("/v1/series/s/{path}");
        let reply = fixture.send(method, &path, body.to_owned()).await?;
        let (status, _, detail) = reply.refusal()?;
        let expected = if body.len() > 4096 { 413 } else { 400 };
        assert_eq!(status, expected, "{method} {path} {body}: {detail}");
        assert!(detail.contains(fault), "{method} {path} {body}: {detail}");
    }
    assert_eq!(fixture.get("/v1/series/s").await?.json()?["revision"], "r2");
    Ok(())
}

#[tokio::test]
async fn wrong_methods_are_told_which_are_right() -> anyhow::Result<()> {
    let fixture = Fixture::fitted(1).await?;
    for (path, allowed) in [
        ("/v1/series", "GET,HEAD"),
        ("/v1/series/s", "DELETE,GET,HEAD"),
        ("/v1/series/s/models", "GET,HEAD,POST"),
        ("/v1/series/s/models/v1", "DELETE,GET,HEAD"),
        ("/v1/series/s/models/v1/export", "GET,HEAD"),
        ("/v1/series/s/aliases/best", "DELETE,GET,HEAD,PUT"),
        ("/v1/series/s/rollback", "POST"),
    ] {
        let reply = fixture.send("PATCH", path, "").await?;
        assert_eq!(reply.refusal()?.0, 405, "{path}");
        let allow = reply.headers[header::ALLOW].to_str()?;
        let mut methods: Vec<_> = allow.split(',').map(str::trim).collect();
        methods.sort_unstable();
        assert_eq!(methods.join(","), allowed, "{path}");
    }
    for path in [
        "/v1",
        "/v1/",
        "/v1/series/",
        "/v1/series/s/",
        "/v1/series/s/aliases",
        "/v1/models",
    ] {
        assert_eq!(fixture.get(path).await?.refusal()?.0, 404, "{path}");
    }
    Ok(())
}

#[tokio::test]
async fn a_store_that_is_away_is_worth_coming_back_for() -> anyhow::Result<()> {
    let fixture = Fixture::fitted(2).await?;
    fixture
        .in_store("ALTER TABLE aliases RENAME TO hidden")
        .await?;
    for (method, path, body) in ROUTES {
        // An import reads the file first.
        if (method, path) == ("POST", "/v1/series/s/models") {
            continue;
        }
        let reply = fixture.send(method, path, body).await?;
        let (status, code, detail) = reply.refusal()?;
        assert_eq!(
            (status, code.as_str()),
            (503, "backend_unavailable"),
            "{method} {path}"
        );
        assert!(
            !detail.contains("hidden") && !detail.contains("aliases"),
            "{detail}"
        );
        assert_eq!(reply.headers["retry-after"], "1", "{method} {path}");
    }
    fixture
        .in_store("ALTER TABLE hidden RENAME TO aliases")
        .await?;
    assert_eq!(fixture.get("/v1/series/s").await?.json()?["revision"], "r2");
    Ok(())
}
