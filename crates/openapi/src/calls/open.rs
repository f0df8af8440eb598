//! What is not in the table of calls, and needs no key.

use contract::ProblemCode as Code;

use super::{At::Open, Call, Content, Parameter, Reply, json, query, reply};

const TEXT_BODY: Content = Content {
    media: "text/plain",
    schemas: &[],
};
const TEXT: &[Content] = &[TEXT_BODY];
const PAGE: Content = Content {
    media: "text/html",
    schemas: &[],
};

const LIVE: &[Reply] = &[reply(200, "It does.", TEXT)];
const READY: &[Reply] = &[reply(200, "It can.", &[TEXT_BODY, json(&["Readiness"])])];
const VERBOSE: &[Parameter] = &[query(
    "verbose",
    r#"{"type":"string","maxLength":0}"#,
    "Asks for all that it depends on; without a value.",
)];

const fn live(path: &'static str, summary: &'static str) -> Call {
    Call {
        at: Open(path),
        summary,
        about: "",
        query: &[],
        body: &[],
        replies: LIVE,
        codes: &[],
    }
}

const fn ready(path: &'static str, summary: &'static str) -> Call {
    Call {
        at: Open(path),
        summary,
        about: "With `?verbose` it says what that depends on, also with 503.",
        query: VERBOSE,
        body: &[],
        replies: READY,
        codes: &[Code::NotReady, Code::ShuttingDown],
    }
}

pub(super) const CALLS: &[Call] = &[
    Call {
        at: Open("/"),
        summary: "Tell what this is",
        about: "Browsers, whose `Accept` names `text/html`, get the dashboard.",
        query: &[],
        body: &[],
        replies: &[reply(
            200,
            "What this is, and where to go on.",
            &[json(&["About"]), PAGE],
        )],
        codes: &[],
    },
    Call {
        at: Open("/docs"),
        summary: "Show this document as a page",
        about: "Not with `DASHBOARD=false`.",
        query: &[],
        body: &[],
        replies: &[reply(200, "The page.", &[PAGE])],
        codes: &[Code::NotFound],
    },
    Call {
        at: Open("/openapi.json"),
        summary: "This document",
        about: "OpenAPI 3.1.",
        query: &[],
        body: &[],
        replies: &[reply(200, "The document.", &[json(&[])])],
        codes: &[],
    },
    live("/livez", "Tell whether the process runs"),
    live("/healthz", "Another name of `/livez`"),
    live("/ping", "Another name of `/livez`"),
    live("/v2/health/live", "Another name of `/livez`"),
    ready("/readyz", "Tell whether requests can be taken"),
    ready("/v2/health/ready", "Another name of `/readyz`"),
];
