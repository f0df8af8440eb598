//! The query of a prediction or a batch.

use contract::VersionRef;
use http_server::{BadParameter, Query};

use crate::error::Error;

/// The most unknown parameters that are named; the rest is ignored silently.
const MAX_WARNINGS: usize = 10;

/// The query of a prediction or a batch.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct PredictQuery {
    /// The model to score by; `None`: not said here.
    version: Option<VersionRef>,
    /// One sentence for each parameter that was ignored.
    pub(crate) warnings: Vec<String>,
}

impl PredictQuery {
    /// Reads a query. Unknown parameters are ignored with a warning, as unknown fields are.
    ///
    /// # Errors
    /// When the version is not valid, or is given twice.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Error> {
        let Some(query) = query else {
            return Ok(Self::default());
        };
        let query = Query::parse(query);
        let version = query.get("version")?;
        let version = version.map(str::parse).transpose();
        let unknown = query.unknown(&["version"]).take(MAX_WARNINGS);
        Ok(Self {
            version: version.map_err(invalid_version)?,
            warnings: unknown
                .map(|name| format!("unknown query parameter `{name}` was ignored"))
                .collect(),
        })
    }

    /// The version that the query or the body names.
    ///
    /// # Errors
    /// When the two differ.
    pub(crate) fn version(
        &mut self,
        body: Option<VersionRef>,
    ) -> Result<Option<VersionRef>, Error> {
        match (self.version.take(), body) {
            (Some(query), Some(body)) if query != body => Err(invalid_version(format_args!(
                "the query asks for {query}, the body for {body}"
            ))),
            (query, body) => Ok(query.or(body)),
        }
    }
}

fn invalid_version(rule: impl std::fmt::Display) -> Error {
    BadParameter::invalid("version", rule).into()
}

#[cfg(test)]
mod tests {
    use contract::ProblemCode;
    use http_server::ProblemReply;

    use super::*;

    fn version(text: &str) -> Option<VersionRef> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_version_may_come_in_the_query_or_in_the_body_or_in_both_alike() {
        for (query, body, wanted) in [
            (None, None, None),
            (Some(""), None, None),
            (Some("version=v3"), None, version("v3")),
            (Some("&%76ersion=c%61nary&"), None, version("canary")),
            (None, version("v1"), version("v1")),
            (Some("version=v1"), version("v1"), version("v1")),
        ] {
            let mut parsed = PredictQuery::parse(query).unwrap();
            assert_eq!(parsed.warnings.len(), 0);
            assert_eq!(parsed.version(body).unwrap(), wanted, "{query:?}");
        }
    }

    #[test]
    fn what_is_not_valid_is_refused_by_name() {
        for (query, fault) in [
            (
                "version=v0",
                "Invalid version: it is neither a version of the form v1",
            ),
            ("version=", "Invalid version: it is neither"),
            ("version=%FF", "Invalid version: it is not UTF-8"),
            (
                "version=v1&version=v1",
                "Invalid version: it is given more than once",
            ),
        ] {
            let problem = ProblemReply::from(PredictQuery::parse(Some(query)).unwrap_err());
            assert_eq!(
                (problem.status.as_u16(), problem.code),
                (400, ProblemCode::InvalidParameter)
            );
            assert!(problem.detail.starts_with(fault), "{}", problem.detail);
        }
        let mut query = PredictQuery::parse(Some("version=v1")).unwrap();
        assert_eq!(
            query.version(version("canary")).unwrap_err().to_string(),
            "Invalid version: the query asks for v1, the body for canary"
        );
    }

    #[test]
    fn unknown_parameters_are_named_or_refused() {
        let query = PredictQuery::parse(Some("x=1&a%20b")).unwrap();
        assert_eq!(
            query.warnings,
            [
                "unknown query parameter `x` was ignored",
                "unknown query parameter `a b` was ignored"
            ]
        );
        let many = "x&".repeat(1_000);
        assert_eq!(PredictQuery::parse(Some(&many)).unwrap().warnings.len(), 10);
        assert!(Query::none(None).is_ok() && Query::none(Some("")).is_ok());
        assert_eq!(
            Query::none(Some("y=1")).unwrap_err().to_string(),
            "Unknown query parameter: y"
        );
    }
}
