//! API keys: which calls they open, for which series, and how their file is followed.

use std::{fs, path::PathBuf};

use contract::{
    ENDPOINTS, Endpoint, EndpointName,
    endpoint::{ErrorForm, Method, Scope, Subject},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{
    client::Reply,
    door::{Door, POINT},
    fake::Fake,
};

/// A file of keys.
pub(crate) struct Keys {
    folder: TempDir,
}

/// A line of the file for `secret`, with the `rest` of its fields.
pub(crate) fn line(secret: &str, rest: &Value) -> String {
    let hash = Sha256::digest(secret);
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut key = json!({"id": secret, "name": "tests", "sha256": hash});
    for (name, value) in rest.as_object().expect("an object") {
        key[name] = value.clone();
    }
    key.to_string()
}

impl Keys {
    pub(crate) fn new(lines: &[String]) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let keys = Self { folder };
        keys.write(lines)?;
        Ok(keys)
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// Replaces the file at once, as editors and orchestrators do.
    pub(crate) fn write(&self, lines: &[String]) -> anyhow::Result<()> {
        let next = self.folder.path().join("next");
        fs::write(&next, lines.join("\n"))?;
        Ok(fs::rename(next, self.path())?)
    }

    pub(crate) async fn door(&self, fake: &Fake) -> anyhow::Result<Door> {
        let path = self.path();
        let path = path.to_str().expect("a plain name");
        Door::open(&fake.url(), &fake.url(), &["--api-keys-file", path]).await
    }
}

/// Makes the call of `endpoint` about `series` with these header lines.
async fn call(
    door: &Door,
    endpoint: &Endpoint,
    series: &str,
    lines: &str,
) -> anyhow::Result<Reply> {
    let method = match endpoint.method {
        Method::Get => "GET",
        Method::Post => "POST",
        Method::Put => "PUT",
        Method::Delete => "DELETE",
    };
    let mut path = endpoint.path.replace("{series_id}", series);
    path = path.replace("{version}", "v1").replace("{alias}", "a");
    if endpoint.subject == Subject::Query {
        path += &format!("?series_id={series}");
    }
    let mut client = door.client().await?;
    client
        .request(&format!("{method} {path}"), lines, POINT)
        .await
}

pub(crate) fn bearer(secret: &str) -> String {
    format!("authorization: Bearer {secret}\r\n")
}

/// A backend whose reply every call takes.
pub(crate) async fn backend() -> anyhow::Result<Fake> {
    Fake::answering(
        r#"{"status":"ok","series_trained":1,"training_latency_ms":{"avg":1,"p95":1},"inference_latency_ms":{"avg":1,"p95":1},
        "throughput":{"avg_per_minute":1},"model_usage":{"shop.a":"1","web":"2","éa":"3"},
        "system_metrics":{"cpu_percent":1,"memory_percent":1,"load_avg":[1,1,1]}}"#,
    )
    .await
}

/// The sentence of a refusal with `status`, in the form that clients of the call read.
fn refusal(endpoint: &Endpoint, reply: &Reply, status: u16) -> String {
    let code = if status == 401 {
        "unauthorized"
    } else {
        "forbidden"
    };
    assert_eq!(reply.status, status, "{endpoint:?}");
    let said = reply.json();
    let sentence = match endpoint.name.error_form() {
        ErrorForm::Problem => {
            assert_eq!(reply.problem(), (status, code.into()), "{endpoint:?}");
            &said["detail"]
        }
        ErrorForm::Azure if status == 401 => &said["error"]["message"],
        ErrorForm::Azure => {
            assert_eq!(reply.header("x-ms-error-code"), Some(code));
            &said["message"]
        }
        ErrorForm::OpenInference => &said["error"],
    };
    sentence.as_str().unwrap_or_default().to_owned()
}

/// Whether the gateway answers without asking anybody first.
fn is_answered_here(endpoint: &Endpoint) -> bool {
    use EndpointName::{BeginSession, EndSession, Events};
    matches!(endpoint.name, BeginSession | EndSession | Events)
}

#[tokio::test]
async fn every_call_needs_a_key_with_its_scope() -> anyhow::Result<()> {
    let keys: Vec<_> = Scope::ALL
        .iter()
        .map(|scope| line(scope.as_str(), &json!({"scopes": [scope]})))
        .collect();
    let (keys, fake) = (Keys::new(&keys)?, backend().await?);
    let door = keys.door(&fake).await?;
    for endpoint in ENDPOINTS {
        for lines in [
            "",
            "authorization: Basic dTpw\r\n",
            &bearer("unknown"),
            &bearer(""),
        ] {
            let reply = call(&door, endpoint, "s", lines).await?;
            let sentence = refusal(endpoint, &reply, 401);
            assert!(
                sentence.contains("API key"),
                "{endpoint:?} {lines}: {sentence}"
            );
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
        }
        let before = fake.received().len();
        for scope in Scope::ALL {
            if *scope == endpoint.scope && endpoint.name == EndpointName::Events {
                continue; // Its reply does not end.
            }
            let reply = call(&door, endpoint, "s", &bearer(scope.as_str())).await?;
            if *scope == endpoint.scope {
                let status = if is_answered_here(endpoint) { 204 } else { 200 };
                assert_eq!(reply.status, status, "{endpoint:?} {scope}");
                continue;
            }
            let detail = format!("The API key lacks the scope {}", endpoint.scope);
            assert_eq!(
                refusal(endpoint, &reply, 403),
                detail,
                "{endpoint:?} {scope}"
            );
        }
        let is_passed_on = fake.received().len() > before;
        assert!(is_passed_on || is_answered_here(endpoint), "{endpoint:?}");
        for received in &fake.received()[before..] {
            assert_eq!(received.header("authorization"), None, "{endpoint:?}");
        }
    }
    // Probes and what tells nothing are open.
    for path in ["/", "/livez", "/readyz", "/openapi.json", "/docs"] {
        assert_eq!(door.get(path).await?.status, 200, "{path}");
    }
    assert_eq!(door.get("/nothing").await?.problem().0, 404);
    Ok(())
}

#[tokio::test]
async fn only_an_admin_imports_what_no_trusted_installation_has_signed() -> anyhow::Result<()> {
    let keys = Keys::new(&[
        line("fitter", &json!({"scopes": ["fit"]})),
        line("admin", &json!({"scopes": ["fit", "admin"]})),
    ])?;
    let fake = backend().await?;
    let door = keys.door(&fake).await?;
    let import = EndpointName::ImportModel.endpoint();
    for (secret, refused) in [("fitter", Some("refuse")), ("admin", None)] {
        let reply = call(&door, import, "s", &bearer(secret)).await?;
        assert_eq!(reply.status, 200, "{secret}");
        assert_eq!(fake.last().header("x-foreign-model"), refused, "{secret}");
    }
    // Without keys everyone may.
    let open = Door::to(&fake).await?;
    call(&open, import, "s", "").await?;
    assert_eq!(fake.last().header("x-foreign-model"), None);
    Ok(())
}

#[tokio::test]
async fn a_key_is_for_the_series_of_its_prefixes() -> anyhow::Result<()> {
    let of = |secret, series| line(secret, &json!({"scopes": Scope::ALL, "series": series}));
    let keys = Keys::new(&[of("one", json!(["shop."])), of("two", json!(["web", "é"]))])?;
    let fake = backend().await?;
    let door = keys.door(&fake).await?;
    for endpoint in ENDPOINTS
        .iter()
        .filter(|endpoint| !is_answered_here(endpoint))
    {
        let is_about_one = matches!(endpoint.subject, Subject::Path | Subject::Query);
        for (series, secret, allowed) in [
            ("shop.a", "one", true),
            ("shop%2Ea", "one", true),
            ("shop", "one", false),
            ("Shop.a", "one", false),
            ("xshop.a", "one", false),
            ("web", "one", false),
            ("web", "two", true),
            ("%C3%A9t%C3%A9", "two", true),
            ("shop.a", "two", false),
        ] {
            let reply = call(&door, endpoint, series, &bearer(secret)).await?;
            if allowed || !is_about_one {
                assert_eq!(reply.status, 200, "{series} {secret} {endpoint:?}");
            } else {
                let detail = refusal(endpoint, &reply, 403);
                let prefix = if secret == "one" {
                    "begin with: shop."
                } else {
                    "begin with: web, é"
                };
                assert!(detail.contains(prefix), "{detail}");
            }
        }
    }
    // Lists are cut: by the trainer, which is told how, and by the gateway.
    let list = EndpointName::ListSeries.endpoint();
    let lines = format!("{}x-series-prefixes: x\r\n", bearer("two"));
    call(&door, list, "", &lines).await?;
    assert_eq!(fake.last().header("x-series-prefixes"), Some("web,%C3%A9"));
    let health = EndpointName::Healthcheck.endpoint();
    let usage = call(&door, health, "", &bearer("two")).await?.json()["model_usage"].clone();
    assert_eq!(usage, json!({"web": "2", "éa": "3"}));
    // What names no series, or two, is refused for that.
    let two = "/plot?series_id=shop.a&series_id=web";
    door.client()
        .await?
        .request(&format!("GET {two}"), &bearer("one"), "")
        .await?;
    assert_eq!(fake.last().line(), format!("GET {two} HTTP/1.1"));
    let reply = call(&door, &ENDPOINTS[0], "%FF", &bearer("one")).await?;
    assert_eq!(reply.problem(), (400, "invalid_series_id".into()));
    Ok(())
}

#[tokio::test]
async fn a_key_comes_in_one_of_two_headers() -> anyhow::Result<()> {
    let keys = Keys::new(&[line("k", &json!({"scopes": ["predict"]}))])?;
    let fake = backend().await?;
    let door = keys.door(&fake).await?;
    let mut client = door.client().await?;
    for (lines, status) in [
        ("X-API-Key: k\r\n", 200),
        ("AUTHORIZATION: bearer  k\r\n", 200),
        ("authorization: Basic dTpw\r\nx-api-key: k\r\n", 200),
        ("authorization: Bearer k\r\nx-api-key: k\r\n", 401),
        ("x-api-key: k\r\nx-api-key: k\r\n", 401),
        ("x-api-key: K\r\n", 401),
        ("x-api-key: kk\r\n", 401),
        ("authorization: k\r\n", 401),
    ] {
        // On the fast path, and on the other.
        for also in ["", "connection: keep-alive, x\r\n"] {
            let reply = client
                .post_with("/predict/s", &format!("{lines}{also}"), POINT)
                .await?;
            assert_eq!(reply.status, status, "{lines}{also}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_expired_key_is_not_valid() -> anyhow::Result<()> {
    let until = |secret, at| line(secret, &json!({"scopes": ["predict"], "expires": at}));
    let keys = Keys::new(&[
        until("old", "2020-01-01T00:00:00Z"),
        until("new", "2999-01-01T00:00:00Z"),
    ])?;
    let fake = backend().await?;
    let door = keys.door(&fake).await?;
    for (secret, status) in [("old", 401), ("new", 200), ("old", 401)] {
        let mut client = door.client().await?;
        let reply = client
            .post_with("/predict/s", &bearer(secret), POINT)
            .await?;
        assert_eq!(reply.status, status, "{secret}");
    }
    Ok(())
}

/// Predicts with `secret` until the status is `wanted`.
async fn becomes(door: &Door, secret: &str, wanted: u16) -> anyhow::Result<()> {
    let mut client = door.client().await?;
    loop {
        let reply = client
            .post_with("/predict/s", &bearer(secret), POINT)
            .await?;
        if reply.status == wanted {
            return Ok(());
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn keys_are_rotated_without_a_restart() -> anyhow::Result<()> {
    let key = |secret: &str| line(secret, &json!({"scopes": ["predict"]}));
    let keys = Keys::new(&[key("old")])?;
    let fake = backend().await?;
    let door = keys.door(&fake).await?;
    becomes(&door, "old", 200).await?;
    becomes(&door, "new", 401).await?;
    // Two of one holder are valid while it changes over.
    keys.write(&[
        "# for the tests".into(),
        key("new"),
        String::new(),
        key("old"),
    ])?;
    becomes(&door, "new", 200).await?;
    becomes(&door, "old", 200).await?;
    keys.write(&[key("new")])?;
    becomes(&door, "old", 401).await?;
    becomes(&door, "new", 200).await?;
    fs::remove_file(keys.path())?;
    becomes(&door, "new", 200).await?;
    Ok(())
}

#[tokio::test]
async fn a_gateway_does_not_start_with_keys_that_it_cannot_read() -> anyhow::Result<()> {
    let key = |secret: &str| line(secret, &json!({"scopes": ["predict"]}));
    let fake = backend().await?;
    for (lines, said) in [
        (vec![], "there is no key in it"),
        (vec!["# none".to_owned()], "there is no key in it"),
        (
            vec![
                key("a"),
                String::new(),
                key("b").replace("predict", "prophecy"),
            ],
            "line 3: scopes: unknown variant `prophecy`",
        ),
        (vec![key("a"), key("a")], "line 2: another key has the id a"),
        (
            vec![key("a"), key("a").replace(r#""id":"a""#, r#""id":"b""#)],
            "line 2: another key has this sha256",
        ),
    ] {
        let refused = Keys::new(&lines)?
            .door(&fake)
            .await
            .err()
            .expect("it starts");
        assert!(format!("{refused:#}").contains(said), "{refused:#}");
    }
    let keys = Keys::new(&[key("a")])?;
    fs::remove_file(keys.path())?;
    let refused = keys.door(&fake).await.err().expect("it starts");
    assert!(
        format!("{refused:#}").contains("API keys in "),
        "{refused:#}"
    );
    Ok(())
}
