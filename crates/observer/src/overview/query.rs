//! What is asked of the overview, and the order of its rows.

use std::{cmp::Reverse, collections::BTreeSet, fmt, str::FromStr};

use contract::{Labels, MAX_HISTOGRAM_STEPS, Moment, SeriesId, Severity};
use http_server::{BadParameter, Query};
use service::{page::limit, series::parse_list};
use store::HotSeries;

/// The step of a histogram, in seconds, unless the request names one.
const DEFAULT_STEP: i64 = 900;
/// The time that a histogram is about, in seconds.
const DAY: i64 = 86_400;
/// The times that may be asked for, in seconds since 1970: all that milliseconds can tell.
const TIMES: std::ops::RangeInclusive<i64> = 0..=i64::MAX / 2_000;

/// The rows that are asked for.
#[derive(Debug)]
pub(super) struct OverviewQuery {
    /// A part of the id or of a label, `name=value`, in small letters.
    q: Option<String>,
    labels: Vec<(String, String)>,
    severities: Vec<Severity>,
    pub(super) from: Option<Moment>,
    to: Option<Moment>,
    /// Only these.
    pub(super) series: Option<BTreeSet<SeriesId>>,
    /// Whether rows have sparklines.
    pub(super) sparks: bool,
    pub(super) limit: u32,
    pub(super) after: Option<Rank>,
}

impl OverviewQuery {
    pub(super) fn parse(query: Option<&str>) -> Result<Self, BadParameter> {
        const KNOWN: [&str; 9] = [
            "q", "label", "severity", "from", "to", "series", "spark", "limit", "after",
        ];
        let query = Query::parse(query.unwrap_or_default()).of_only(&KNOWN)?;
        let severity = |word: &str| {
            let parsed = word.parse::<Severity>();
            parsed.map_err(|why| BadParameter::invalid("severity", why))
        };
        let severities = query.get("severity")?.map(|words| words.split(','));
        let series = query.get("series")?.map(|list| parse_list("series", list));
        let series = series.map(|ids| Ok::<_, BadParameter>(BTreeSet::from_iter(ids?)));
        let after = query.get("after")?.map(|text| {
            let rule = "it is not the next of a page";
            text.parse()
                .map_err(|()| BadParameter::invalid("after", rule))
        });
        Ok(Self {
            q: query.get("q")?.map(str::to_lowercase),
            labels: label(&query)?.into_iter().collect(),
            severities: severities
                .into_iter()
                .flatten()
                .map(severity)
                .collect::<Result<_, _>>()?,
            from: seconds(&query, "from")?.map(|at| Moment(1_000 * at)),
            to: seconds(&query, "to")?.map(|at| Moment(1_000 * at)),
            series: series.transpose()?,
            sparks: match query.get("spark")? {
                None | Some("true") => true,
                Some("false") => false,
                Some(_) => {
                    return Err(BadParameter::invalid(
                        "spark",
                        "it is neither true nor false",
                    ));
                }
            },
            limit: limit(&query)?,
            after: after.transpose()?,
        })
    }

    /// Whether only series with anomalies are asked for.
    pub(super) fn is_about_anomalies(&self) -> bool {
        !self.severities.is_empty() || self.range().is_some()
    }

    /// When anomalies began that are asked for.
    pub(super) fn range(&self) -> Option<(Moment, Moment)> {
        let is_asked = self.from.is_some() || self.to.is_some();
        let range = (
            self.from.unwrap_or(Moment(0)),
            self.to.unwrap_or(Moment(i64::MAX)),
        );
        is_asked.then_some(range)
    }

    /// Whether a series with anomalies is asked for, as far as it can tell.
    pub(super) fn takes(&self, hot: &HotSeries) -> bool {
        let severity = hot.open.unwrap_or(hot.worst);
        (self.severities.is_empty() || self.severities.contains(&severity))
            && self.names(&hot.series_id, &hot.labels)
    }

    /// Whether a series with this id and these labels is asked for.
    pub(super) fn names(&self, id: &SeriesId, labels: &Labels) -> bool {
        let has = |(name, value): &(String, String)| labels.get(name) == Some(value);
        self.labels.iter().all(has)
            && self.q.as_ref().is_none_or(|q| {
                let is_label = |(name, value): (&String, &String)| {
                    format!("{name}={value}").to_lowercase().contains(q)
                };
                id.as_str().to_lowercase().contains(q) || labels.iter().any(is_label)
            })
    }
}

/// The parameter `label`, `name=value`.
fn label(query: &Query<'_>) -> Result<Option<(String, String)>, BadParameter> {
    let Some(text) = query.get("label")? else {
        return Ok(None);
    };
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| BadParameter::invalid("label", "it is not of the form name=value"))?;
    Ok(Some((name.to_owned(), value.to_owned())))
}

/// The parameter `name`, a time in seconds since 1970.
fn seconds(query: &Query<'_>, name: &str) -> Result<Option<i64>, BadParameter> {
    let Some(text) = query.get(name)? else {
        return Ok(None);
    };
    let time = text.parse().ok().filter(|time| TIMES.contains(time));
    let rule = "it is not a time in whole seconds since 1970";
    time.ok_or_else(|| BadParameter::invalid(name, rule))
        .map(Some)
}

/// The columns of a histogram that are asked for.
#[derive(Debug)]
pub(super) struct HistogramQuery {
    /// In seconds since 1970.
    pub(super) from: i64,
    to: i64,
    /// In seconds.
    pub(super) step: i64,
    pub(super) label: Option<(String, String)>,
}

impl HistogramQuery {
    pub(super) fn parse(query: Option<&str>, now: Moment) -> Result<Self, BadParameter> {
        let query = Query::parse(query.unwrap_or_default());
        let query = query.of_only(&["from", "to", "step", "label"])?;
        let step = match query.get("step")? {
            None => DEFAULT_STEP,
            Some(text) => {
                let step = text
                    .parse()
                    .ok()
                    .filter(|step| (1..=31 * DAY).contains(step));
                let rule = "it is not a whole number of seconds, up to 31 days";
                step.ok_or_else(|| BadParameter::invalid("step", rule))?
            }
        };
        // The step in progress is the last one.
        let now = now.0.div_euclid(1_000);
        let to = seconds(&query, "to")?.unwrap_or_else(|| (now.div_euclid(step) + 1) * step);
        let from = seconds(&query, "from")?.unwrap_or(to - DAY.max(step));
        let asked = Self {
            from,
            to,
            step,
            label: label(&query)?,
        };
        if from >= to {
            return Err(BadParameter::invalid("from", "it is not before to"));
        }
        if asked.steps() > MAX_HISTOGRAM_STEPS {
            let rule = format!("from to to would be more than {MAX_HISTOGRAM_STEPS} steps");
            return Err(BadParameter::invalid("step", rule));
        }
        Ok(asked)
    }

    /// The number of its steps.
    pub(super) fn steps(&self) -> usize {
        let steps = (self.to - self.from + self.step - 1) / self.step;
        usize::try_from(steps).unwrap_or(usize::MAX)
    }
}

/// The part of the list that a series belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Open,
    Recent,
    Quiet,
}

/// The place of a series among all: the least comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    pub(super) place: Place,
    severity: Reverse<Severity>,
    last_alarm: Reverse<Moment>,
    pub(super) id: SeriesId,
}

impl Rank {
    pub(super) fn of(hot: &HotSeries) -> Self {
        Self {
            place: match hot.open {
                Some(_) => Place::Open,
                None => Place::Recent,
            },
            severity: Reverse(hot.open.unwrap_or(hot.worst)),
            last_alarm: Reverse(hot.last_alarm),
            id: hot.series_id.clone(),
        }
    }

    pub(super) fn quiet(id: SeriesId) -> Self {
        Self {
            place: Place::Quiet,
            severity: Reverse(Severity::None),
            last_alarm: Reverse(Moment(0)),
            id,
        }
    }
}

/// As the cursor of the next page.
impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = self.place as u8;
        let (severity, at, id) = (self.severity.0, self.last_alarm.0.0, &self.id);
        write!(f, "{place}.{severity}.{at}.{id}")
    }
}

impl FromStr for Rank {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let parts: Vec<&str> = text.splitn(4, '.').collect();
        let [place, severity, at, id] = parts[..] else {
            return Err(());
        };
        Ok(Self {
            place: match place {
                "0" => Place::Open,
                "1" => Place::Recent,
                "2" => Place::Quiet,
                _ => return Err(()),
            },
            severity: Reverse(severity.parse().map_err(drop)?),
            last_alarm: Reverse(Moment(at.parse().map_err(drop)?)),
            id: SeriesId::new(id).map_err(drop)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> SeriesId {
        SeriesId::new(text).expect("valid")
    }

    fn hot(name: &str, open: Option<Severity>, worst: Severity, at: i64) -> HotSeries {
        HotSeries {
            series_id: id(name),
            labels: Labels::from([("team".to_owned(), "Core".to_owned())]),
            open,
            open_since: None,
            worst,
            last_alarm: Moment(at),
            closed_at: None,
            alarms: 1,
        }
    }

    #[test]
    fn open_ones_come_first_then_the_worst_then_the_latest_then_by_name() {
        use Severity::{Critical, High, Low};
        let mut ranks = vec![
            Rank::quiet(id("a")),
            Rank::of(&hot("b", None, Critical, 9)),
            Rank::of(&hot("d", Some(Low), Critical, 9)),
            Rank::of(&hot("c", Some(High), High, 1)),
            Rank::of(&hot("f", Some(High), High, 2)),
            Rank::of(&hot("e", Some(High), High, 2)),
        ];
        ranks.sort();
        let names: Vec<&str> = ranks.iter().map(|rank| rank.id.as_str()).collect();
        assert_eq!(names, ["e", "f", "c", "d", "b", "a"]);
        for rank in &ranks {
            assert_eq!(rank.to_string().parse().as_ref(), Ok(rank));
        }
        let dots = Rank::quiet(id("a.b.c"));
        assert_eq!(dots.to_string().parse(), Ok(dots));
        for text in ["", "3.low.1.a", "0.low.x.a", "0.bad.1.a", "0.low.1."] {
            assert_eq!(text.parse::<Rank>(), Err(()), "{text}");
        }
    }

    #[test]
    fn a_search_looks_at_names_and_labels() {
        let takes = |query: &str| {
            let query = OverviewQuery::parse(Some(query)).expect("valid");
            query.takes(&hot("Web.CPU", Some(Severity::Low), Severity::High, 1))
        };
        for query in [
            "",
            "q=web",
            "q=EAM%3Dcor",
            "label=team=Core",
            "severity=low",
        ] {
            assert!(takes(query), "{query}");
        }
        for query in [
            "q=db",
            "label=team=core",
            "label=x=",
            "severity=high,critical",
        ] {
            assert!(!takes(query), "{query}");
        }
        for query in [
            "q=a&q=b",
            "label=team",
            "severity=bad",
            "from=-1",
            "after=x",
            "x=1",
        ] {
            assert!(OverviewQuery::parse(Some(query)).is_err(), "{query}");
        }
    }

    #[test]
    fn a_histogram_is_of_the_last_day_unless_told_otherwise() {
        let parse = |query: &str| HistogramQuery::parse(Some(query), Moment(1_000_000_500));
        let day = parse("").expect("valid");
        assert_eq!((day.from, day.to, day.steps()), (914_400, 1_000_800, 96));
        let hour = parse("from=10&to=3600&step=60").expect("valid");
        assert_eq!(hour.steps(), 60);
        for query in ["from=5&to=5", "step=0", "from=0&to=100000&step=1", "to=x"] {
            assert!(parse(query).is_err(), "{query}");
        }
    }
}
