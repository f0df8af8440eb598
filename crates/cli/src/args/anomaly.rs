//! The commands about anomalies and silences.

use clap::{Args, Subcommand, builder::TypedValueParser};
use contract::{
    AnomalyId, AnomalyKind, IncidentId, Interval, MatchOp, Matcher, Moment, OpenStatus, SeriesId,
    Severity, SilenceId,
};

use super::{options::words, stream::label};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AnomaliesArgs {
    #[command(subcommand)]
    pub(crate) command: Option<AnomalyCommand>,
    #[command(flatten)]
    pub(crate) filter: AnomalyFilter,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AnomalyCommand {
    /// Show an anomaly.
    Show {
        /// Its id.
        anomaly: AnomalyId,
    },
    /// List incidents: anomalies that people are told of together.
    Incidents(IncidentFilter),
    /// Show an incident with its worst anomalies.
    Incident {
        /// Its id.
        incident: IncidentId,
    },
}

/// The anomalies to list.
#[derive(Debug, Args)]
pub(crate) struct AnomalyFilter {
    /// Only those of this series.
    #[arg(long, value_name = "SERIES", value_parser = SeriesId::new)]
    pub(crate) series: Option<SeriesId>,
    /// Only those of series whose ids begin with this.
    #[arg(long, value_name = "TEXT", conflicts_with = "series")]
    pub(crate) prefix: Option<String>,
    /// Only those of series with this label.
    #[arg(long, value_name = "NAME=TEXT", value_parser = label)]
    pub(crate) label: Option<(String, String)>,
    /// Only those of this kind.
    #[arg(long, value_name = "KIND", value_parser = words::<AnomalyKind>(AnomalyKind::ALL.iter().map(|kind| kind.as_str())))]
    pub(crate) kind: Option<AnomalyKind>,
    /// Only those of this severity or a greater one.
    #[arg(long, value_name = "SEVERITY", value_parser = words::<Severity>(Severity::ALL.iter().map(|severity| severity.as_str())))]
    pub(crate) severity: Option<Severity>,
    /// Only open ones, or only closed ones.
    #[arg(long, value_name = "STATUS", value_parser = statuses())]
    pub(crate) status: Option<OpenStatus>,
    /// Only those that were found then or later: 2030-01-31T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Moment>,
    /// Only those that were found then or earlier.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<Moment>,
    /// Only those at points with this timestamp or a later one.
    #[arg(long, value_name = "TIMESTAMP", allow_hyphen_values = true)]
    pub(crate) from: Option<i64>,
    /// Only those at points with this timestamp or an earlier one.
    #[arg(long, value_name = "TIMESTAMP", allow_hyphen_values = true)]
    pub(crate) to: Option<i64>,
    /// The strongest first, instead of the latest.
    #[arg(long)]
    pub(crate) strongest: bool,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// The incidents to list.
#[derive(Debug, Args)]
pub(crate) struct IncidentFilter {
    /// Only open ones, or only closed ones.
    #[arg(long, value_name = "STATUS", value_parser = statuses())]
    pub(crate) status: Option<OpenStatus>,
    #[command(flatten)]
    pub(crate) page: PageArgs,
}

/// A part of a list.
#[derive(Debug, Args)]
pub(crate) struct PageArgs {
    /// How many to list.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    /// List those that follow, as the end of another list says.
    #[arg(long, value_name = "PLACE")]
    pub(crate) after: Option<String>,
}

fn statuses() -> impl TypedValueParser<Value = OpenStatus> {
    words(OpenStatus::ALL.iter().map(|status| status.as_str()))
}

#[derive(Debug, Subcommand)]
pub(crate) enum SilenceCommand {
    /// Let nobody be told of the anomalies of some series for some time. They are found as always.
    Add(AddSilenceArgs),
    /// List the silences.
    List,
    /// Remove a silence.
    Delete {
        /// Its id.
        silence: SilenceId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AddSilenceArgs {
    /// A condition that the series must meet: host=db1, host!=db1, host=~db.*, host!~db.* on a
    /// label, or on its id as series. May be given several times; all must hold.
    #[arg(long = "matcher", value_name = "CONDITION", required = true, value_parser = matcher)]
    pub(crate) matchers: Vec<Matcher>,
    /// When it begins: 2030-01-31T00:00:00Z [default: at once].
    #[arg(long, value_name = "TIME")]
    pub(crate) starts_at: Option<Moment>,
    /// When it ends [default: never, which needs an --interval].
    #[arg(long, value_name = "TIME", required_unless_present = "intervals")]
    pub(crate) ends_at: Option<Moment>,
    /// Times at which it holds, as JSON in the form of Alertmanager:
    /// {"weekdays":["sunday"],"location":"Europe/Vienna"}. May be given several times.
    #[arg(long = "interval", value_name = "JSON", value_parser = interval)]
    pub(crate) intervals: Vec<Interval>,
    /// Why.
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) comment: String,
    /// By whom.
    #[arg(long, value_name = "NAME")]
    pub(crate) created_by: Option<String>,
}

fn matcher(text: &str) -> Result<Matcher, &'static str> {
    let fault = "must look like NAME=TEXT, NAME!=TEXT, NAME=~TEXT or NAME!~TEXT";
    let at = text.find(['=', '!']).ok_or(fault)?;
    let (name, rest) = text.split_at(at);
    let ops = [
        ("=~", MatchOp::Matches),
        ("!~", MatchOp::DoesNotMatch),
        ("!=", MatchOp::NotEqual),
        ("=", MatchOp::Equal),
    ];
    let parse = |(sign, op): &(&str, MatchOp)| Some((*op, rest.strip_prefix(sign)?));
    let (op, value) = ops.iter().find_map(parse).ok_or(fault)?;
    Ok(Matcher {
        name: name.to_owned(),
        op,
        value: value.to_owned(),
    })
}

fn interval(text: &str) -> Result<Interval, String> {
    serde_json::from_str(text).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_has_a_name_a_sign_and_a_value() {
        let parts = |text| matcher(text).map(|m| (m.name, m.op, m.value)).ok();
        for (text, op, value) in [
            ("a=b", MatchOp::Equal, "b"),
            ("a!=b=c", MatchOp::NotEqual, "b=c"),
            ("a=~b.*", MatchOp::Matches, "b.*"),
            ("a!~", MatchOp::DoesNotMatch, ""),
        ] {
            assert_eq!(parts(text), Some(("a".to_owned(), op, value.to_owned())));
        }
        assert_eq!(parts("a"), None);
        assert_eq!(parts("a!b"), None);
    }
}
