//! The query parameters of plots.

use std::ops::RangeInclusive;

use chart::Size;
use contract::{MAX_TITLE_BYTES, SeriesId, Timestamp, VersionRef};
use http_server::{BadParameter, Query};

use crate::error::Error;

/// A plot of a model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlotQuery {
    /// The series.
    pub(crate) series: SeriesId,
    /// The model, by version or alias; `None` for the one that serves.
    pub(crate) version: Option<VersionRef>,
    /// The part that is shown, and how.
    pub(crate) view: View,
}

/// A plot of a judged series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JudgedQuery {
    /// The title.
    pub(crate) title: Option<String>,
    /// The part that is shown, and how.
    pub(crate) view: View,
}

/// The part of a chart that is shown, and how.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    /// The size of the picture.
    pub(crate) size: Size,
    /// The format of the picture.
    pub(crate) format: Format,
    /// The earliest timestamp shown; `None` for that of the first point.
    pub(crate) from: Option<Timestamp>,
    /// The latest timestamp shown; `None` for that of the last point.
    pub(crate) to: Option<Timestamp>,
}

/// The format of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Png,
    Svg,
}

const DEFAULT_SIZE: Size = Size {
    width: 800,
    height: 400,
    scale: 1,
};
const MIN_SIDE: u32 = 200;
const MAX_SIDE: u32 = 4000;
/// The largest scale: screens with more pixels than this are not seen.
const MAX_SCALE: u32 = 4;

impl PlotQuery {
    /// Reads the query of a request target. Parameters that are not known are ignored.
    ///
    /// # Errors
    /// The first parameter that is not valid, or is there twice.
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
    const NAMES: [&str; 7] = ["title", "width", "height", "scale", "format", "from", "to"];

    /// Reads the query of a request target.
    ///
    /// # Errors
    /// The first parameter that is not valid, is there twice, or is not known.
    pub(crate) fn parse(query: &str) -> Result<Self, Error> {
        let query = Query::parse(query).of_only(&Self::NAMES)?;
        let title = query.get("title")?.map(str::to_owned);
        if let Some(title) = &title {
            let is_text = !title.is_empty() && !title.chars().any(char::is_control);
            if !is_text || title.len() > MAX_TITLE_BYTES {
                let rule = format!("it must be one line of 1 to {MAX_TITLE_BYTES} bytes");
                return Err(invalid("title", rule));
            }
        }
        let view = View::of(&query)?;
        Ok(Self { title, view })
    }
}

impl View {
    /// Reads the parameters that both plots have; others are ignored.
    ///
    /// # Errors
    /// The first parameter that is not valid, or is there twice.
    fn of(query: &Query<'_>) -> Result<Self, Error> {
        let end = |name| match query.get(name)? {
            Some(text) => parse_timestamp(name, text).map(Some),
            None => Ok(None),
        };
        let view = Self {
            size: size_of(query)?,
            format: match query.get("format")? {
                None | Some("png") => Format::Png,
                Some("svg") => Format::Svg,
                Some(_) => return Err(invalid("format", "it must be png or svg")),
            },
            from: end("from")?,
            to: end("to")?,
        };
        match (view.from, view.to) {
            (Some(from), Some(to)) if from.is_after(to) => {
                Err(invalid("from", "it must not be after to"))
            }
            _ => Ok(view),
        }
    }
}

impl Format {
    /// The media type.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Svg => "image/svg+xml",
        }
    }
}

/// The size that is asked for. The picture itself has at most [`MAX_SIDE`] pixels along each side,
/// whatever the scale.
fn size_of(query: &Query<'_>) -> Result<Size, Error> {
    let number = |name, range: RangeInclusive<u32>, default| match query.get(name)? {
        Some(text) => parse_whole(name, text, range),
        None => Ok(default),
    };
    let size = Size {
        width: number("width", MIN_SIDE..=MAX_SIDE, DEFAULT_SIZE.width)?,
        height: number("height", MIN_SIDE..=MAX_SIDE, DEFAULT_SIZE.height)?,
        scale: number("scale", 1..=MAX_SCALE, DEFAULT_SIZE.scale)?,
    };
    if size.width.max(size.height) * size.scale > MAX_SIDE {
        let rule = format!("times width and times height, it must be at most {MAX_SIDE}");
        return Err(invalid("scale", rule));
    }
    Ok(size)
}

fn parse_whole(name: &str, text: &str, range: RangeInclusive<u32>) -> Result<u32, Error> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            let (least, most) = range.into_inner();
            let rule = format!("it must be a whole number from {least} to {most}");
            invalid(name, rule)
        })
}

fn parse_timestamp(name: &str, text: &str) -> Result<Timestamp, Error> {
    text.parse().map_err(|rule| invalid(name, rule))
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
                    size: DEFAULT_SIZE,
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
        let side = |width, height, scale| Size {
            width,
            height,
            scale,
        };
        assert_eq!(view.size, side(200, 4000, 1));
        assert_eq!(view.format, Format::Svg);
        let sharp = JudgedQuery::parse("width=2000&scale=2").unwrap().view;
        assert_eq!(sharp.size, side(2000, 400, 2));
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert_eq!((view.from, view.to), (at("-7"), at("-7")));
    }

    #[test]
    fn a_judged_series_may_have_a_title_and_nothing_unknown() {
        let JudgedQuery { title, view } = JudgedQuery::parse("title=a/b+c&width=300&").unwrap();
        assert_eq!(title.as_deref(), Some("a/b c"));
        assert_eq!((view.size.width, view.size.height), (300, 400));
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
            ("series_id=s&scale=0", "scale"),
            ("series_id=s&scale=5", "scale"),
            ("series_id=s&scale=1.5", "scale"),
            ("series_id=s&scale=2&width=2001", "scale"),
            ("series_id=s&scale=4&height=1001", "scale"),
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
