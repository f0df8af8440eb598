//! API keys: made, and sent.

use std::{fs, os::unix::fs::PermissionsExt};

use contract::{ApiKey, SecretHash, endpoint::Scope};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{Folder, anomaly, failure, platform, run, server::Server, stderr, stdout, success};

/// An address at which nothing answers: none is needed.
const NOBODY: &str = "http://127.0.0.1:1";

#[test]
fn a_new_key_is_a_secret_and_the_line_with_its_hash() -> anyhow::Result<()> {
    let args = [
        "key",
        "new",
        "--name",
        "shop",
        "--scopes",
        "read,predict,read",
        "--series",
        "shop.",
    ];
    let made = run(NOBODY, &args)?;
    let mut lines = stdout(&made).lines();
    let (secret, line) = (lines.next().unwrap(), lines.next().unwrap());
    assert_eq!(lines.next(), None);
    assert!(secret.starts_with("anomaly_"), "{secret}");
    assert_eq!(secret.len(), 51);
    assert!(!stderr(&made).contains(secret));
    let key = ApiKey::parse(line)?;
    assert_eq!(key.sha256, SecretHash(Sha256::digest(secret).into()));
    assert_eq!(
        (key.name.as_str(), key.scopes),
        ("shop", vec![Scope::Predict, Scope::Read])
    );
    assert_eq!(
        (key.series, key.expires),
        (Some(vec!["shop.".to_owned()]), None)
    );
    // Each is another one.
    let other: Value = serde_json::from_str(&success(NOBODY, &[&args[..], &["--json"]].concat())?)?;
    assert_ne!(other["secret"], secret);
    assert_ne!(other["key"]["id"], key.id.as_str());
    Ok(())
}

#[test]
fn a_new_key_is_added_to_a_file_for_its_owner_only() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let file = folder.path("keys");
    let new = |name, more: &[&str]| {
        let path = file.to_str().unwrap();
        let args = [
            "key", "new", "--name", name, "--scopes", "fit", "--file", path,
        ];
        success(NOBODY, &[&args, more].concat())
    };
    assert_eq!(new("one", &[])?.lines().count(), 1);
    assert_eq!(fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    // Whoever edited it left no line end.
    fs::write(&file, fs::read_to_string(&file)?.trim_end())?;
    let limits = [
        "--expires",
        "2030-12-31T00:00:00Z",
        "--requests-per-second",
        "0.5",
    ];
    new("two", &limits)?;
    let text = fs::read_to_string(&file)?;
    let keys: Vec<_> = text.lines().map(ApiKey::parse).collect::<Result<_, _>>()?;
    let names: Vec<_> = keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["one", "two"]);
    assert!(keys[1].expires.is_some());
    assert_eq!(keys[1].limits.requests_per_second, Some(0.5));
    Ok(())
}

#[test]
fn a_key_that_the_platform_would_refuse_is_not_made() -> anyhow::Result<()> {
    for (args, said) in [
        (
            ["--name", "a b", "--scopes", "fit", "--series", "s"],
            "1 to 64 of",
        ),
        (
            ["--name", "a", "--scopes", "write", "--series", "s"],
            "predict",
        ),
        (
            ["--name", "a", "--scopes", "fit", "--series", "a/b"],
            "no series id begins with",
        ),
        (
            ["--name", "a", "--scopes", "fit", "--expires", "soon"],
            "a moment such as",
        ),
        (
            [
                "--name",
                "a",
                "--scopes",
                "fit",
                "--requests-per-second",
                "0",
            ],
            "requests_per_second: it must be over 0",
        ),
    ] {
        let refused = failure(NOBODY, &[&["key", "new"], &args[..]].concat(), 2)?;
        assert!(refused.contains(said), "{args:?}: {refused}");
    }
    Ok(())
}

#[test]
fn the_key_of_the_environment_is_sent_and_not_shown() -> anyhow::Result<()> {
    let server = Server::start(platform)?;
    let folder = Folder::new()?;
    let file = folder.file("p.csv", "timestamp,value\n1,1\n2,2\n3,4\n")?;
    for key in [Some("anomaly_K"), None, Some("")] {
        let mut command = anomaly(&server.url, &["fit", "s", &file]);
        if let Some(key) = key {
            command.env("ANOMALY_API_KEY", key);
        }
        let output = command.output()?;
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let seen = server.seen();
    let sent: Vec<_> = seen
        .iter()
        .map(|request| request.header("authorization"))
        .collect();
    assert_eq!(sent, [Some("bearer anomaly_k"), None, None]);
    let mut help = anomaly(&server.url, &["--help"]);
    let help = help.env("ANOMALY_API_KEY", "anomaly_K").output()?;
    assert!(!stdout(&help).contains("anomaly_K"));
    Ok(())
}
