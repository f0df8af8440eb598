//! Key figures: a number with the goal that it should reach.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::report::{Cell, Table};

/// The goal of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    AtMost(f64),
    AtLeast(f64),
    Within(f64, f64),
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::AtMost(most) => value <= most,
            Self::AtLeast(least) => value >= least,
            Self::Within(least, most) => (least..=most).contains(&value),
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => write!(f, "≤ {most}"),
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::Within(least, most) => write!(f, "{least} to {most}"),
        }
    }
}

/// A number with its goal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Figure {
    /// The quantity and its unit. Names the figure from one run to the next.
    pub(crate) what: String,
    /// `None` where it could not be measured.
    pub(crate) value: Option<f64>,
    pub(crate) goal: Goal,
}

impl Figure {
    pub(crate) fn new(what: impl Into<String>, value: f64, goal: Goal) -> Self {
        Self {
            what: what.into(),
            value: value.is_finite().then_some(value),
            goal,
        }
    }
}

/// The figures beside those of an earlier run, by what they are.
pub(crate) fn table(figures: &[Figure], before: &BTreeMap<String, f64>) -> Table {
    let note = "*Before*: the same, measured at the commit in before/figures.json.";
    let columns = ["figure", "before", "now", "goal", "met"];
    let mut table = Table::new("Key figures", note, columns);
    for Figure { what, value, goal } in figures {
        let met = value.is_some_and(|value| goal.is_met(value));
        table.row(vec![
            what.as_str().into(),
            cell(before.get(what).copied()),
            cell(*value),
            goal.to_string().as_str().into(),
            if met { "yes" } else { "**no**" }.into(),
        ]);
    }
    table
}

/// A number with about three digits.
fn cell(value: Option<f64>) -> Cell {
    let decimals = match value.unwrap_or_default().abs() {
        size if size >= 100.0 || value.is_some_and(|v| v.fract() == 0.0) => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    Cell::of(value, decimals)
}

#[derive(Deserialize)]
struct Stored {
    figures: Vec<Figure>,
}

/// The figures of an earlier run; none where there is no such file.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn load(path: &Path) -> Result<BTreeMap<String, f64>> {
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let stored: Stored = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let figures = stored.figures.into_iter();
    Ok(figures
        .filter_map(|f| f.value.map(|value| (f.what, value)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_holds_up_to_its_border_and_a_figure_without_a_number_misses_it() {
        assert!(Goal::AtMost(2.0).is_met(2.0) && !Goal::AtMost(2.0).is_met(2.1));
        assert!(Goal::AtLeast(2.0).is_met(2.0) && !Goal::AtLeast(2.0).is_met(1.9));
        assert!(Goal::Within(0.5, 2.0).is_met(0.5) && !Goal::Within(0.5, 2.0).is_met(2.1));
        let figures = [
            Figure::new("a share", 0.25, Goal::AtMost(0.5)),
            Figure::new("a score", f64::NAN, Goal::AtLeast(74.0)),
        ];
        let before = BTreeMap::from([("a share".to_owned(), 0.75)]);
        let text = table(&figures, &before).markdown();
        assert!(
            text.contains("| a share | 0.750 | 0.250 | ≤ 0.5 | yes |"),
            "{text}"
        );
        assert!(
            text.contains("| a score | – | – | ≥ 74 | **no** |"),
            "{text}"
        );
    }

    #[test]
    fn figures_that_were_stored_are_known_by_what_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("figures.json");
        assert!(load(&path).unwrap().is_empty());
        let figures = [Figure::new("a share", 0.25, Goal::Within(0.1, 0.5))];
        let text = serde_json::json!({"commit": "c", "figures": figures}).to_string();
        fs::write(&path, text).unwrap();
        assert_eq!(
            load(&path).unwrap(),
            BTreeMap::from([("a share".to_owned(), 0.25)])
        );
    }
}
