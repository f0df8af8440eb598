use std::{collections::BTreeSet, fs, path::Path};

use http_body_util::BodyExt;

use super::*;

/// Bytes that a first visit may load, all files of the dashboard as they are stored.
const BUDGET: usize = 120 * 1024;

/// Bytes of the page of the API beside those that it shares, with the document.
const DOCS_BUDGET: usize = 90 * 1024;

fn sent(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| (name.clone(), value.parse().unwrap()))
        .collect()
}

async fn text(response: Response) -> String {
    let body = response.into_body().collect().await;
    String::from_utf8(body.unwrap().to_bytes().to_vec()).unwrap()
}

fn source(name: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
    fs::read_to_string(page.join(name)).unwrap()
}

/// What stands between `before` and the next `after`, wherever `before` occurs.
fn between(text: &str, before: &str, after: char) -> BTreeSet<String> {
    text.split(before)
        .skip(1)
        .filter_map(|rest| rest.split_once(after))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[tokio::test]
async fn the_page_is_asked_for_each_time_and_its_files_never_again() {
    let first = page(&sent(&[]));
    assert_eq!(first.headers()[CACHE_CONTROL], "no-cache");
    let etag = first.headers()[ETAG].to_str().unwrap().to_owned();
    assert!(text(first).await.contains(VERSION));
    let again = page(&sent(&[(IF_NONE_MATCH, &etag)]));
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(again.headers()[CONTENT_SECURITY_POLICY], POLICY);

    let module = asset(VERSION, "main.js", &sent(&[])).unwrap();
    assert!(
        module.headers()[CACHE_CONTROL]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    let module = text(module).await;
    assert!(module.contains("import {") && !module.contains("// The shell"));
    assert!(module.lines().all(|line| line.trim() == line));
    for (version, name) in [
        ("0", "main.js"),
        (VERSION, "nothing.js"),
        (VERSION, "index.html"),
        (VERSION, "openapi.json"),
    ] {
        assert!(
            asset(version, name, &sent(&[])).is_none(),
            "{version} {name}"
        );
    }
}

#[tokio::test]
async fn the_document_and_its_page_are_served_as_the_page_is() {
    let reply = document(&sent(&[]));
    assert_eq!(reply.headers()[CONTENT_TYPE], "application/json");
    assert_eq!(reply.headers()[CACHE_CONTROL], "no-cache");
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../openapi/openapi.json");
    assert!(text(reply).await == fs::read_to_string(committed).unwrap());
    let page = docs(&sent(&[]));
    assert_eq!(page.headers()[CONTENT_SECURITY_POLICY], POLICY);
    let page = text(page).await;
    for name in between(&page, &format!("/assets/{VERSION}/"), '"') {
        assert!(asset(VERSION, &name, &sent(&[])).is_some(), "{name}");
    }
}

#[tokio::test]
async fn files_are_gzip_for_those_who_take_it() {
    for (encodings, packed) in [
        ("gzip, br", true),
        ("*", true),
        ("br;q=1, gzip;q=0", false),
        ("identity", false),
    ] {
        let reply = asset(VERSION, "base.css", &sent(&[(ACCEPT_ENCODING, encodings)])).unwrap();
        let encoding = reply.headers().contains_key(CONTENT_ENCODING);
        assert_eq!(encoding, packed, "{encodings}");
        assert_eq!(reply.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(reply.headers()[CONTENT_SECURITY_POLICY], POLICY);
    }
}

#[test]
fn browsers_ask_for_pages_and_probes_do_not() {
    let browser = "text/html,application/xhtml+xml,*/*;q=0.8";
    for (accept, page) in [(browser, true), ("*/*", false), ("application/json", false)] {
        assert_eq!(is_asked_for(&sent(&[(ACCEPT, accept)])), page, "{accept}");
    }
    assert!(!is_asked_for(&sent(&[])));
}

/// The modules that the first page needs are fetched in one round, and no other.
#[test]
fn the_page_names_all_modules_that_it_starts_with() {
    let html = source("index.html");
    let named = between(&html, "/assets/{version}/", '"');
    let mut needed: BTreeSet<_> = ["main.js".to_owned()].into();
    let mut open: Vec<_> = needed.iter().cloned().collect();
    while let Some(name) = open.pop() {
        for next in between(&source(&name), " from './", '\'') {
            if needed.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    let modules = named
        .iter()
        .filter(|name| name.ends_with(".js") && !name.starts_with("vendor/"));
    assert_eq!(modules.cloned().collect::<BTreeSet<_>>(), needed);
    assert!(named.len() < 16, "{named:?}");
}

#[test]
fn all_files_are_within_their_budget_and_strict() {
    let is_of_docs = |file: &&File| file.name.starts_with("docs") || file.name == DOCUMENT;
    let (docs, own): (Vec<&File>, Vec<&File>) = FILES.iter().partition(is_of_docs);
    for (files, budget) in [(own, BUDGET), (docs, DOCS_BUDGET)] {
        let total: usize = files.iter().map(|file| file.bytes.len()).sum();
        assert!(total <= budget, "{total} bytes");
    }
    for file in FILES.iter().filter(|file| file.name.ends_with(".js")) {
        if file.name.starts_with("vendor/") {
            continue;
        }
        let text = source(file.name);
        for word in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "eval(",
            "'data:",
            "`data:",
            "document.write",
        ] {
            assert!(!text.contains(word), "{}: {word}", file.name);
        }
        assert!(text.lines().count() <= 500, "{}", file.name);
    }
}
