//! What the document says of each call beyond its row in [`contract::ENDPOINTS`].

mod anomalies;
mod open;
mod other;
mod points;
mod registry;
mod streams;

use contract::{EndpointName, ProblemCode};

/// A call, as the document describes it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) at: At,
    /// One line.
    pub(crate) summary: &'static str,
    /// What there is to know beyond the fields, in Markdown; empty if that is all.
    pub(crate) about: &'static str,
    pub(crate) query: &'static [Parameter],
    /// The forms of the body, or none.
    pub(crate) body: &'static [Content],
    pub(crate) replies: &'static [Reply],
    /// Its problems beside those that all calls of its kind have.
    pub(crate) codes: &'static [ProblemCode],
}

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum At {
    /// A row of the table.
    Row(EndpointName),
    /// A `GET` of a path that is not in the table and needs no key.
    Open(&'static str),
}

/// A query parameter.
#[derive(Debug)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Its schema in JSON, with the names of constants in braces.
    pub(crate) schema: &'static str,
}

/// A body in one media type.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) media: &'static str,
    /// The schemas of which it has one.
    pub(crate) schemas: &'static [&'static str],
}

/// A reply that is no problem.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) about: &'static str,
    pub(crate) content: &'static [Content],
    /// Its headers, by their names in the document, beside those that all replies have.
    pub(crate) headers: &'static [&'static str],
}

/// Calls that the page shows together: a name, one line about it, and the calls.
pub(crate) type Group = (&'static str, &'static str, &'static [Call]);

/// All calls.
pub(crate) const GROUPS: [Group; 8] = [
    (
        "Fit and judge",
        "Fit a model, judge points by it, or both at once.",
        points::CALLS,
    ),
    (
        "Plots",
        "Pictures of models and of what was found.",
        points::PLOTS,
    ),
    (
        "Series, models and aliases",
        "What is kept, and which version serves. Queries and bodies are read strictly.",
        registry::CALLS,
    ),
    (
        "Streams",
        "Points are judged as they come, and learned. Each is durable before it is answered, and judged exactly once.",
        streams::CALLS,
    ),
    (
        "Anomalies and incidents",
        "What streams have found, and who is told.",
        anomalies::CALLS,
    ),
    (
        "Overview and health",
        "All series, the figures of the platform, and sessions of web pages.",
        other::CALLS,
    ),
    (
        "Clients of other services",
        "Azure Anomaly Detector and the Open Inference Protocol. Refusals have their forms.",
        other::COMPATIBLE,
    ),
    (
        "Without a key",
        "Probes, the description of the API, and what this is.",
        open::CALLS,
    ),
];

const fn json(schemas: &'static [&'static str]) -> Content {
    Content {
        media: "application/json",
        schemas,
    }
}

const fn query(name: &'static str, schema: &'static str, about: &'static str) -> Parameter {
    Parameter {
        name,
        about,
        schema,
    }
}

/// A reply without headers of its own.
const fn reply(status: u16, about: &'static str, content: &'static [Content]) -> Reply {
    Reply {
        status,
        about,
        content,
        headers: &[],
    }
}

const GONE: Reply = reply(204, "It is done.", &[]);
const LIMIT: Parameter = query(
    "limit",
    r#"{"type":"integer","minimum":1,"maximum":1000,"default":100}"#,
    "The most entries of the page.",
);
const AFTER: Parameter = query(
    "after",
    r#"{"type":"string"}"#,
    "The `next` of the page before.",
);
const VERSION: Parameter = query(
    "version",
    r##"{"$ref":"#/components/schemas/VersionRef"}"##,
    "The version or alias that judges; absent: the one that serves.",
);
const FROM: Parameter = query(
    "from",
    r##"{"$ref":"#/components/schemas/GivenTimestamp"}"##,
    "The first timestamp.",
);
const TO: Parameter = query(
    "to",
    r##"{"$ref":"#/components/schemas/GivenTimestamp"}"##,
    "The last timestamp, included.",
);
const LABEL: Parameter = query(
    "label",
    r#"{"type":"string","pattern":"="}"#,
    "A label, as `name=value`.",
);
const NOTIFY: Parameter = query(
    "notify",
    r#"{"type":"string","enum":["true","false"],"default":"true"}"#,
    "`false` for history: nobody is told of what is found.",
);
