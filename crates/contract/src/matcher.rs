//! Conditions on the labels of series.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::{SeriesId, stream::is_label};

/// The name that stands for the id of a series.
const SERIES: &str = "series";

/// The largest compiled regular expression, in bytes.
const MAX_REGEX_BYTES: usize = 1 << 20;

/// A condition on a label of a series. The label `series` is its id.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matcher {
    /// The name of the label.
    pub name: String,
    /// How it is compared.
    pub op: MatchOp,
    /// The value, or a regular expression that must match all of the value. A label that is not
    /// there counts as empty.
    pub value: String,
}

/// How a label is compared.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MatchOp {
    /// It has the value.
    #[serde(rename = "=")]
    Equal,
    /// It has another value.
    #[serde(rename = "!=")]
    NotEqual,
    /// The regular expression matches it.
    #[serde(rename = "=~")]
    Matches,
    /// The regular expression does not match it.
    #[serde(rename = "!~")]
    DoesNotMatch,
}

impl Matcher {
    /// Its regular expression, which matches all of a value or nothing; `None` if it has none.
    ///
    /// # Errors
    /// When it does not compile, or takes more than 1 MiB.
    pub fn expression(&self) -> Result<Option<Regex>, regex::Error> {
        match self.op {
            MatchOp::Equal | MatchOp::NotEqual => Ok(None),
            MatchOp::Matches | MatchOp::DoesNotMatch => {
                let compile = |text: &str| {
                    let mut builder = RegexBuilder::new(text);
                    builder.size_limit(MAX_REGEX_BYTES).build()
                };
                // By itself too: `a)|(?:b` is one within the brackets only.
                compile(&self.value)?;
                compile(&format!("^(?:{})$", self.value)).map(Some)
            }
        }
    }

    /// Checks that a series could meet it.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub(crate) fn check(&self) -> Result<(), String> {
        let Self { name, op, value } = self;
        if name != SERIES && !is_label(name) {
            let rule = "is neither series nor the name of a label";
            return Err(format!("name `{name}` {rule}"));
        }
        if name == SERIES && *op == MatchOp::Equal {
            SeriesId::validate(value).map_err(|why| format!("value `{value}` of {name}: {why}"))?;
        }
        self.expression().map(drop).map_err(|why| {
            // The last line says why; those before show where.
            let why = why.to_string();
            let why = why.lines().last().unwrap_or_default();
            let why = why.strip_prefix("error: ").unwrap_or(why);
            format!("value `{value}` of {name} is not a regular expression: {why}")
        })
    }

    /// Whether it is about the id of a series, and not about a label.
    pub fn is_about_id(&self) -> bool {
        self.name == SERIES
    }
}
