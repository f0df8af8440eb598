//! What a plot is asked for: `series_id`, `version`, `width`, `height`, `format`, `from`, `to`.

use contract::{SeriesId, VersionRef};
use http_server::{BadParameter, Query};

use crate::error::Error;

/// A plot that can be drawn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlotQuery {
    /// Whose points.
    pub(crate) series: SeriesId,
    /// Of which model, by version or alias; `None`: of the one that judges.
    pub(crate) version: Option<VersionRef>,
    /// How it is looked at.
    pub(crate) view: View,
}

/// How a judged series is to be drawn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JudgedQuery {
    /// What it is called.
    pub(crate) title: Option<String>,
    /// How it is looked at.
    pub(crate) view: View,
}

/// Which part of a chart is shown, and how.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    /// Width and height in pixels.
    pub(crate) size: (u32, u32),
    /// As what.
    pub(crate) format: Format,
    /// The earliest timestamp shown; `None`: that of the first point.
    pub(crate) from: Option<i64>,
    /// The latest timestamp shown; `None`: that of the last point.
    pub(crate) to: Option<i64>,
}

/// The form of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Png,
    Svg,
}

const DEFAULT_SIZE: (u32, u32) = (800, 400);
const MIN_SIDE: u32 = 200;
const MAX_SIDE: u32 = 4000;
/// The longest title, in bytes.
const MAX_TITLE: usize = 200;

impl PlotQuery {
    /// Reads the query of a request target. Parameters that are not known are ignored.
    ///
    /// # Errors
    /// The first parameter that makes no sense, or is there twice.
    pub(crate) fn parse(query: &str) -> Result<Self, Error> {
        let query = Query::parse(query);
        let series = query
            .get("series_id")?
            .filter(|id| !id.is_empty())
            .ok_or(Error::MissingSeries)?;
        let version = query.get("version")?;
        Ok(Self {
            series: SeriesId::new(series).map_err(|rule| invalid("series_id", rule))?,
            version: version
                .map(|text| text.parse().map_err(|form| invalid("version", form)))
                .transpose()?,
            view: View::of(&query)?,
        })
    }
}

impl JudgedQuery {
    const NAMES: [&str; 6] = ["title", "width", "height", "format", "from", "to"];

    /// Reads the query of a request target.
    ///
    /// # Errors
    /// The first parameter that makes no sense, is there twice, or is not known.
    pub(crate) fn parse(query: &str) -> Result<Self, Error> {
        let query = Query::parse(query).of_only(&Self::NAMES)?;
        let title = query.get("title")?.map(str::to_owned);
        if let Some(title) = &title {
            let is_text = !title.is_empty() && !title.chars().any(char::is_control);
            if !is_text || title.len() > MAX_TITLE {
                let rule = format!("it is no text of 1 to {MAX_TITLE} bytes in one line");
                return Err(invalid("title", rule));
            }
        }
        let view = View::of(&query)?;
        Ok(Self { title, view })
    }
}

impl View {
    /// Other parameters are ignored.
    ///
    /// # Errors
    /// The first parameter that makes no sense, or is there twice.
    fn of(query: &Query<'_>) -> Result<Self, Error> {
        let side = |name, default| match query.get(name)? {
            Some(text) => parse_side(name, text),
            None => Ok(default),
        };
        let end = |name| match query.get(name)? {
            Some(text) => parse_timestamp(name, text).map(Some),
            None => Ok(None),
        };
        let view = Self {
            size: (
                side("width", DEFAULT_SIZE.0)?,
                side("height", DEFAULT_SIZE.1)?,
            ),
            format: match query.get("format")? {
                None | Some("png") => Format::Png,
                Some("svg") => Format::Svg,
                Some(_) => return Err(invalid("format", "it is neither png nor svg")),
            },
            from: end("from")?,
            to: end("to")?,
        };
        match (view.from, view.to) {
            (Some(from), Some(to)) if from > to => Err(invalid("from", "it is after to")),
            _ => Ok(view),
        }
    }
}

impl Format {
    /// Its media type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Svg => "image/svg+xml",
        }
    }
}

fn parse_side(name: &str, text: &str) -> Result<u32, Error> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let side = text.parse().ok().filter(|_| digits);
    side.filter(|side| (MIN_SIDE..=MAX_SIDE).contains(side))
        .ok_or_else(|| {
            let rule = format!("it is no whole number from {MIN_SIDE} to {MAX_SIDE}");
            invalid(name, rule)
        })
}

fn parse_timestamp(name: &str, text: &str) -> Result<i64, Error> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_number = digits.bytes().all(|b| b.is_ascii_digit());
    let timestamp = text.parse().ok().filter(|_| is_number);
    timestamp.ok_or_else(|| invalid(name, "it is no whole number of 64 bits"))
}

fn invalid(name: &str, rule: impl std::fmt::Display) -> Error {
    BadParameter::invalid(name, rule).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(query: &str) -> String {
        PlotQuery::parse(query).unwrap_err().to_string()
    }

    #[test]
    fn defaults_fill_in_and_unknown_parameters_are_ignored() {
        let query = PlotQuery::parse("x=1&series_id=a%20b+%C3%A9&y&%FF=1").unwrap();
        assert_eq!(
            query,
            PlotQuery {
                series: SeriesId::new("a b é").unwrap(),
                version: None,
                view: View {
                    size: (800, 400),
                    format: Format::Png,
                    from: None,
                    to: None,
                },
            }
        );
    }

    #[test]
    fn everything_can_be_asked_for() {
        let query = "series%5Fid=s&version=v12&width=200&height=4000&format=svg&from=-7&to=-7";
        let PlotQuery { version, view, .. } = PlotQuery::parse(query).unwrap();
        assert_eq!(version, "v12".parse().ok());
        let by_alias = PlotQuery::parse("series_id=s&version=champion").unwrap();
        assert_eq!(by_alias.version, "champion".parse().ok());
        assert_eq!((view.size, view.format), ((200, 4000), Format::Svg));
        assert_eq!((view.from, view.to), (Some(-7), Some(-7)));
    }

    #[test]
    fn a_judged_series_may_have_a_title_and_nothing_unknown() {
        let JudgedQuery { title, view } = JudgedQuery::parse("title=a/b+c&width=300&").unwrap();
        assert_eq!(title.as_deref(), Some("a/b c"));
        assert_eq!(view.size, (300, 400));
        assert_eq!(JudgedQuery::parse("").unwrap().title, None);
        for (query, name) in [
            ("%66rom=x", "from"),
            ("title=", "title"),
            ("title=a%0Ab", "title"),
            ("title=a&title=b", "title"),
            (&format!("title={}", "a".repeat(201)), "title"),
            ("from=2&to=1", "from"),
        ] {
            let fault = JudgedQuery::parse(query).unwrap_err().to_string();
            assert!(
                fault.starts_with(&format!("Invalid {name}: ")),
                "{query}: {fault}"
            );
        }
        for query in ["series_id=s", "version=v1", "Width=300"] {
            let fault = JudgedQuery::parse(query).unwrap_err().to_string();
            assert!(
                fault.starts_with("Unknown query parameter: "),
                "{query}: {fault}"
            );
        }
    }

    #[test]
    fn a_fault_names_its_parameter() {
        for query in ["", "version=v1", "series_id=", "series_id"] {
            assert!(
                matches!(PlotQuery::parse(query), Err(Error::MissingSeries)),
                "{query}"
            );
        }
        for (query, name) in [
            ("series_id=a%2Fb", "series_id"),
            ("series_id=%FF", "series_id"),
            ("series_id=a&series_id=a", "series_id"),
            ("series_id=s&version=V1", "version"),
            ("series_id=s&version=", "version"),
            ("series_id=s&version=v1&version=v1", "version"),
            ("series_id=s&width=199", "width"),
            ("series_id=s&width=4001", "width"),
            ("series_id=s&width=+300", "width"),
            ("series_id=s&width=%2B300", "width"),
            ("series_id=s&height=99999999999", "height"),
            ("series_id=s&height=4e2", "height"),
            ("series_id=s&format=jpeg", "format"),
            ("series_id=s&format=", "format"),
            ("series_id=s&from=", "from"),
            ("series_id=s&from=1.5", "from"),
            ("series_id=s&from=%2B5", "from"),
            ("series_id=s&to=yesterday", "to"),
            ("series_id=s&to=9223372036854775808", "to"),
            ("series_id=s&from=2&to=1", "from"),
            ("series_id=s&from=2&from=2", "from"),
        ] {
            let fault = fault(query);
            assert!(
                fault.starts_with(&format!("Invalid {name}: ")),
                "{query}: {fault}"
            );
        }
    }
}
