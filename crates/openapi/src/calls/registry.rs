//! Series, models and aliases.

use contract::{EndpointName as Name, ProblemCode as Code};

use super::{At::Row, Call, Content, LIMIT, Reply, json, query, reply};

const SHOWN: &[&str] = &["etag"];
const CHANGED: &[&str] = &["etag", "x-series-revision"];
const NAMED: &[&str] = &["etag", "x-series-revision", "x-model-version"];
const KNOWN: Reply = Reply {
    status: 304,
    about: "`If-None-Match` names this revision: nothing has changed.",
    content: &[],
    headers: SHOWN,
};

const fn shown(schemas: &'static [Content]) -> Reply {
    Reply {
        status: 200,
        about: "As it is.",
        content: schemas,
        headers: SHOWN,
    }
}

const fn gone(about: &'static str) -> Reply {
    Reply {
        status: 204,
        about,
        content: &[],
        headers: &[],
    }
}

pub(super) const CALLS: &[Call] = &[
    Call {
        at: Row(Name::ListSeries),
        summary: "List the series",
        about: "Sorted by id. A series that has only a stream has `series_id`, `models` 0 and `stream`. A key with prefixes sees its series only.",
        query: &[
            query("prefix", r#"{"type":"string"}"#, "How the ids begin."),
            LIMIT,
            query(
                "after",
                r##"{"$ref":"#/components/schemas/SeriesId"}"##,
                "The `next` of the page before.",
            ),
        ],
        body: &[],
        replies: &[reply(200, "A page of them.", &[json(&["SeriesList"])])],
        codes: &[],
    },
    Call {
        at: Row(Name::ShowSeries),
        summary: "Show a series with its aliases",
        about: "404 for a series that has only a stream, which has a call of its own.",
        query: &[],
        body: &[],
        replies: &[shown(&[json(&["SeriesDetail"])]), KNOWN],
        codes: &[Code::SeriesNotFound],
    },
    Call {
        at: Row(Name::DeleteSeries),
        summary: "Delete a series with all that belongs to it",
        about: "Its models, aliases, training points and anomalies; its stream ends within a second. A later fit continues the numbers of its versions.",
        query: &[],
        body: &[],
        replies: &[Reply {
            status: 204,
            about: "It is gone.",
            content: &[],
            headers: CHANGED_IF_FITTED,
        }],
        codes: &[Code::SeriesNotFound],
    },
    Call {
        at: Row(Name::ListModels),
        summary: "List the models of a series",
        about: "The newest first.",
        query: &[
            LIMIT,
            query(
                "before",
                r##"{"$ref":"#/components/schemas/Version"}"##,
                "The `next` of the page before.",
            ),
        ],
        body: &[],
        replies: &[shown(&[json(&["ModelList"])]), KNOWN],
        codes: &[Code::SeriesNotFound],
    },
    Call {
        at: Row(Name::ImportModel),
        summary: "Import a model as the next version of a series",
        about: "The body is what an export gave, byte for byte. A key without the scope `admin` may only import what a trusted installation has signed. With an `Idempotency-Key` it may be sent again.",
        query: &[],
        body: &[Content {
            media: "application/octet-stream",
            schemas: &[],
        }],
        replies: &[Reply {
            status: 201,
            about: "The model is imported, and durable.",
            content: &[json(&["ImportReply"])],
            headers: &["x-series-revision", "x-model-version", "location"],
        }],
        codes: &[
            Code::InvalidModelFile,
            Code::ForeignModel,
            Code::IdempotencyKeyInUse,
            Code::IdempotencyKeyReused,
            Code::NotDurable,
            Code::InsufficientStorage,
            Code::QuotaExceeded,
        ],
    },
    Call {
        at: Row(Name::ShowModel),
        summary: "Show a model",
        about: "",
        query: &[],
        body: &[],
        replies: &[shown(&[json(&["ModelInfo"])]), KNOWN],
        codes: &[
            Code::SeriesNotFound,
            Code::ModelNotFound,
            Code::AliasNotFound,
        ],
    },
    Call {
        at: Row(Name::DeleteModel),
        summary: "Delete a model and its training points",
        about: "Not while an alias names it.",
        query: &[],
        body: &[],
        replies: &[Reply {
            headers: CHANGED,
            ..gone("It is gone.")
        }],
        codes: &[
            Code::SeriesNotFound,
            Code::ModelNotFound,
            Code::AliasNotFound,
            Code::ModelInUse,
        ],
    },
    Call {
        at: Row(Name::ExportModel),
        summary: "Export a model as a file",
        about: "One JSON object with a checksum and a signature. Treat it as opaque, and keep it byte for byte.",
        query: &[],
        body: &[],
        replies: &[Reply {
            status: 200,
            about: "The file.",
            content: &[json(&["ModelFile"])],
            headers: &["content-disposition"],
        }],
        codes: &[
            Code::SeriesNotFound,
            Code::ModelNotFound,
            Code::AliasNotFound,
        ],
    },
    Call {
        at: Row(Name::ShowAlias),
        summary: "Show which version an alias names",
        about: "",
        query: &[],
        body: &[],
        replies: &[shown(&[json(&["AliasInfo"])]), KNOWN],
        codes: &[Code::SeriesNotFound, Code::AliasNotFound],
    },
    Call {
        at: Row(Name::SetAlias),
        summary: "Let an alias name a version",
        about: "With the name `champion` the version serves from now on, whatever is fitted later. A series has at most 100 aliases.",
        query: &[],
        body: &[json(&["AliasRequest"])],
        replies: &[Reply {
            status: 200,
            about: "The alias names it.",
            content: &[json(&["AliasInfo"])],
            headers: NAMED,
        }],
        codes: &[
            Code::SeriesNotFound,
            Code::ModelNotFound,
            Code::AliasNotFound,
            Code::TooManyAliases,
        ],
    },
    Call {
        at: Row(Name::RemoveAlias),
        summary: "Remove an alias",
        about: "Without `champion` the newest version serves again.",
        query: &[],
        body: &[],
        replies: &[Reply {
            headers: CHANGED,
            ..gone("It is gone.")
        }],
        codes: &[Code::SeriesNotFound, Code::AliasNotFound],
    },
    Call {
        at: Row(Name::RollBack),
        summary: "Let the version serve that did before the last promotion",
        about: "Two rollbacks cancel out, so send it again only with `If-Match`. The body is empty or an empty object.",
        query: &[],
        body: &[json(&["EmptyObject"])],
        replies: &[Reply {
            status: 200,
            about: "The version that serves now.",
            content: &[json(&["AliasInfo"])],
            headers: NAMED,
        }],
        codes: &[Code::SeriesNotFound, Code::NothingToRollBackTo],
    },
];

/// A series that has only a stream has no revision.
const CHANGED_IF_FITTED: &[&str] = &["etag?", "x-series-revision?"];
