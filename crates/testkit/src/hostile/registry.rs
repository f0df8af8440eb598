//! Wrong requests about series and models.

use super::{Attack, VICTIM, bare, shown, with_body};

/// Objects that do not exist, and the word for each.
const ABSENT: [(&str, &str, &str); 10] = [
    ("GET", "/v1/series/victim", "series not found"),
    ("DELETE", "/v1/series/victim", "series not found"),
    ("GET", "/v1/series/victim/models", "series not found"),
    ("GET", "/v1/series/victim/models/v1", "series not found"),
    (
        "DELETE",
        "/v1/series/victim/models/champion",
        "series not found",
    ),
    (
        "GET",
        "/v1/series/victim/models/v1/export",
        "series not found",
    ),
    (
        "GET",
        "/v1/series/victim/aliases/champion",
        "series not found",
    ),
    (
        "DELETE",
        "/v1/series/victim/aliases/champion",
        "series not found",
    ),
    ("GET", "/v1/series/%2525", "series not found"),
    ("GET", "/v1/series/'%20OR%201=1--", "series not found"),
];

/// Wrong paths, and the fault of each.
const PATHS: [(&str, &str, &str); 20] = [
    ("GET", "/v1/series/..", "relative path"),
    ("DELETE", "/v1/series/%2E%2E", "relative path"),
    ("GET", "/v1/series/a%2Fb", "slash"),
    ("DELETE", "/v1/series/a%00", "control character"),
    (
        "GET",
        "/v1/series/a%0D%0Aset-cookie:%20x/models",
        "control character",
    ),
    ("GET", "/v1/series/%FF/models/v1", "utf-8"),
    ("GET", "/v1/series/victim/models/v0", "version"),
    ("GET", "/v1/series/victim/models/v01", "version"),
    ("GET", "/v1/series/victim/models/v4294967296", "version"),
    ("GET", "/v1/series/victim/models/%2B1", "version"),
    ("GET", "/v1/series/victim/models/V1", "version"),
    ("DELETE", "/v1/series/victim/models/v1%00", "version"),
    ("DELETE", "/v1/series/victim/models/*", "version"),
    ("GET", "/v1/series/victim/models/%FF", "version"),
    ("GET", "/v1/series/victim/models/../export", "version"),
    ("GET", "/v1/series/victim/aliases/v1", "alias"),
    ("GET", "/v1/series/victim/aliases/Champion", "alias"),
    ("DELETE", "/v1/series/victim/aliases/a%2Fb", "alias"),
    ("DELETE", "/v1/series/victim/aliases/%FF", "alias"),
    ("GET", "/v1/series/victim/aliases/%F0%9F%92%A9", "alias"),
];

/// Wrong queries, and the fault of each.
const QUERIES: [(&str, &str, &str); 16] = [
    ("GET", "/v1/series?limit=0", "limit"),
    ("GET", "/v1/series?limit=-1", "limit"),
    ("GET", "/v1/series?limit=1001", "limit"),
    ("GET", "/v1/series?limit=1e2", "limit"),
    ("GET", "/v1/series?limit=18446744073709551616", "limit"),
    ("GET", "/v1/series?limit=1&limit=2", "more than once"),
    ("GET", "/v1/series?prefix=a%2Fb", "prefix"),
    ("GET", "/v1/series?prefix=%00", "prefix"),
    ("GET", "/v1/series?prefix=%FF", "prefix"),
    ("GET", "/v1/series?after=", "after"),
    ("GET", "/v1/series?page=2", "unknown query parameter: page"),
    (
        "GET",
        "/v1/series/victim?verbose",
        "unknown query parameter: verbose",
    ),
    ("GET", "/v1/series/victim/models?before=3", "before"),
    (
        "GET",
        "/v1/series/victim/models?after=v3",
        "unknown query parameter: after",
    ),
    (
        "DELETE",
        "/v1/series/victim?force=true",
        "unknown query parameter: force",
    ),
    (
        "GET",
        "/v1/series/victim/models/v1/export?format=pickle",
        "unknown query parameter: format",
    ),
];

const METHODS: [&str; 9] = [
    "POST /v1/series",
    "DELETE /v1/series",
    "PUT /v1/series/victim",
    "PATCH /v1/series/victim",
    "PUT /v1/series/victim/models",
    "POST /v1/series/victim/models/v1",
    "DELETE /v1/series/victim/models/v1/export",
    "POST /v1/series/victim/aliases/champion",
    "GET /v1/series/victim/rollback",
];

const NOWHERE: [&str; 6] = [
    "GET /v1",
    "GET /v1/",
    "GET /v2/series",
    "GET /v1/series/victim/",
    "GET /v1/series/victim/aliases",
    "GET /v1/series/victim/models/v1/import",
];

/// Wrong bodies, and the fault of each.
const BODIES: [(&str, &str, &[u8], &str); 22] = [
    ("PUT", "aliases/champion", b"", "eof"),
    ("PUT", "aliases/champion", b"v1", "expected value"),
    (
        "PUT",
        "aliases/champion",
        b"\"v1\"",
        "an object with a version",
    ),
    (
        "PUT",
        "aliases/champion",
        b"[\"v1\"]",
        "an object with a version",
    ),
    ("PUT", "aliases/champion", b"{}", "missing field `version`"),
    (
        "PUT",
        "aliases/champion",
        b"{\"version\":1}",
        "version: invalid type",
    ),
    (
        "PUT",
        "aliases/champion",
        b"{\"version\":null}",
        "version: invalid type",
    ),
    (
        "PUT",
        "aliases/champion",
        b"{\"version\":\"v0\"}",
        "version: it is neither",
    ),
    (
        "PUT",
        "aliases/champion",
        b"{\"version\":\"../v1\"}",
        "version: it is neither",
    ),
    (
        "PUT",
        "aliases/champion",
        b"{\"version\":\"v1\",\"force\":true}",
        "unknown field `force`",
    ),
    (
        "PUT",
        "aliases/champion",
        b"{\"version\":\"v1\",\"version\":\"v2\"}",
        "duplicate field",
    ),
    (
        "PUT",
        "aliases/champion",
        b"{\"version\":\"v1\"}{}",
        "trailing characters",
    ),
    (
        "PUT",
        "aliases/champion",
        b"{\"version\":\"\xff\"}",
        "utf-8",
    ),
    ("PUT", "aliases/v1", b"{\"version\":\"v1\"}", "alias"),
    (
        "POST",
        "rollback",
        b"{\"version\":\"v1\"}",
        "unknown field `version`",
    ),
    ("POST", "rollback", b"[]", "an object with nothing in it"),
    ("POST", "models", b"", "eof"),
    (
        "POST",
        "models",
        b"[]",
        "an object with the fields of an exported model",
    ),
    ("POST", "models", b"{}", "missing field `anomaly_model`"),
    (
        "POST",
        "models",
        b"{\"anomaly_model\":2}",
        "form 2 is not known",
    ),
    (
        "POST",
        "models",
        b"{\"anomaly_model\":1,\"pickle\":\"gASV\"}",
        "unknown field `pickle`",
    ),
    ("POST", "models", b"\x80\x04\x95\x10\x00\x00\x00", "utf-8"),
];

/// A valid model file, except for its checksums.
const FORGED: &str = r#"{"anomaly_model":1,"series_id":"s","version":"v1","created_at":"2026-01-02T03:04:05.678Z","fit_ms":1.0,"first_timestamp":1,"last_timestamp":3,"model":{"format":1,"detector":"sigma","params":{"mean":2.0,"std":1e-300},"points":3,"checksum":"00"},"checksum":"00"}"#;

pub(super) fn attacks() -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (method, target, fault) in ABSENT {
        attacks.push(attack(method, target, &[404], fault));
    }
    for (method, target, fault) in PATHS.into_iter().chain(QUERIES) {
        attacks.push(attack(method, target, &[400], fault));
    }
    for line in METHODS {
        attacks.push(of_line(line, &[405], "method"));
    }
    for line in NOWHERE {
        attacks.push(of_line(line, &[404], "no such route"));
    }
    for (method, path, body, fault) in BODIES {
        attacks.push(sent(method, path, body, &[400], fault));
    }
    attacks.extend(oversized());
    attacks.extend(conditional());
    attacks
}

fn oversized() -> Vec<Attack> {
    let name = format!("/v1/series/victim/aliases/{}", "a".repeat(65));
    let id = format!("/v1/series/{}/models", "l".repeat(201));
    let deep = format!(r#"{{"anomaly_model":1,"model":{}"#, "[".repeat(100_000));
    vec![
        attack("GET", &name, &[400], "alias"),
        attack("GET", &id, &[400], "longer than 200"),
        sent(
            "PUT",
            "aliases/champion",
            &[b' '; 10_000],
            &[413],
            "has more than",
        ),
        sent("POST", "rollback", &[b'x'; 10_000], &[413], "has more than"),
        sent("POST", "models", deep.as_bytes(), &[400], "model"),
        sent("POST", "models", FORGED.as_bytes(), &[400], "checksum"),
        sent(
            "POST",
            "models",
            FORGED.replace("1.0", "1e400").as_bytes(),
            &[400],
            "fit_ms",
        ),
    ]
}

/// Malformed conditions.
fn conditional() -> Vec<Attack> {
    let table = [
        (
            "GET /v1/series/victim",
            "if-none-match: r1",
            "if-none-match",
        ),
        ("DELETE /v1/series/victim", "if-match: r1", "if-match"),
        ("DELETE /v1/series/victim", "if-match: \"r1", "if-match"),
        ("DELETE /v1/series/victim", "if-match:", "if-match"),
        (
            "DELETE /v1/series/victim",
            "if-none-match: *",
            "if-none-match",
        ),
    ];
    let attack = |(line, header, fault): (&str, &str, &'static str)| Attack {
        name: format!("{line} {header}"),
        request: format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}\r\n\r\n")
            .into_bytes(),
        statuses: &[400],
        fault,
    };
    table.into_iter().map(attack).collect()
}

fn attack(method: &str, target: &str, statuses: &'static [u16], fault: &'static str) -> Attack {
    of_line(&format!("{method} {target}"), statuses, fault)
}

fn of_line(line: &str, statuses: &'static [u16], fault: &'static str) -> Attack {
    Attack {
        name: shown(line.as_bytes()),
        request: bare(line),
        statuses,
        fault,
    }
}

/// Sends `body` to a resource of the victim.
fn sent(
    method: &str,
    path: &str,
    body: &[u8],
    statuses: &'static [u16],
    fault: &'static str,
) -> Attack {
    let target = format!("/v1/series/{VICTIM}/{path}");
    Attack {
        name: format!("{method} {path} {}", shown(body)),
        request: with_body(method, &target, body),
        statuses,
        fault,
    }
}
