//! A whole table: a fit on its beginning, and sessions of all columns over the rest.

use contract::{DetectorName, FitOptions, Point, Severity, Train};

use super::{
    Column, JointVerdict, JointlyFitted, MultivariateModel, Row,
    joint::{Joint, normal_score},
};
use crate::{Session, Unfit, Verdict, Warning, online::episode::quiet_limit};

/// The smallest number of rows whose scores in sessions are compared with each other.
const MIN_REPLAYED: usize = 50;

/// A stretch of abnormal rows that belong together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JointEpisode {
    /// The timestamp of its first abnormal row.
    pub start: i64,
    /// The timestamp of its last abnormal row.
    pub end: i64,
    /// The timestamp of the row with the smallest p-value.
    pub peak: i64,
    /// The severity of that row.
    pub severity: Severity,
    /// The p-value of that row.
    pub p_value: f64,
}

/// A verdict in a session.
#[derive(Clone, Debug, PartialEq)]
pub struct JointJudged {
    /// The verdict.
    pub verdict: JointVerdict,
    /// Whether an episode begins here.
    pub alarm: bool,
}

/// A model of the beginning of a table, and the sessions that judge the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct JointDetection {
    /// The model.
    pub model: MultivariateModel,
    /// Warnings about the training rows, each with the name of its column.
    pub warnings: Vec<(String, Warning)>,
    sessions: Vec<Session>,
    /// Of rows that sessions judge.
    joint: Joint,
    episodes: Vec<JointEpisode>,
    /// The number of rows since the last abnormal one.
    quiet: u64,
    /// The number of normal rows that ends an episode.
    quiet_limit: u64,
}

/// Fits on the first rows of `columns`, as many as `train` says. The others are then for
/// [`JointDetection::update`].
///
/// # Errors
/// As [`MultivariateModel::fit`]; columns that are all constant are allowed.
pub fn detect_columns(
    columns: &[Column],
    train: Train,
    options: &FitOptions,
    default: DetectorName,
) -> Result<JointDetection, Unfit> {
    let rows = columns[0].points.len();
    let first = |column: &Column| Column {
        name: column.name.clone(),
        points: column.points[..train.of(rows).min(rows)].to_vec(),
    };
    let first: Vec<Column> = columns.iter().map(first).collect();
    let options = FitOptions {
        allow_constant: true,
        ..options.clone()
    };
    let JointlyFitted { model, warnings } = MultivariateModel::fit(&first, &options, default)?;
    let joint = replayed(&first, &options, default)?;
    Ok(JointDetection {
        sessions: model.sessions(),
        joint: joint.unwrap_or_else(|| model.following.clone()),
        quiet_limit: quiet_limit(model.points() as f64),
        warnings: warnings
            .into_iter()
            .filter(|(_, w)| !w.is_about_trend())
            .collect(),
        model,
        episodes: Vec::new(),
        quiet: 0,
    })
}

/// The joint distribution of the scores that sessions give: those of the second half of the rows,
/// after a fit to the first. Sessions go along with their columns, so their scores go together in
/// another way than those of models that stay as they are. `None` for too few rows.
fn replayed(
    columns: &[Column],
    options: &FitOptions,
    default: DetectorName,
) -> Result<Option<Joint>, Unfit> {
    let rows = columns[0].points.len();
    let half = rows / 2;
    if half < MIN_REPLAYED {
        return Ok(None);
    }
    let first = |column: &Column| Column {
        name: column.name.clone(),
        points: column.points[..half].to_vec(),
    };
    let first: Vec<Column> = columns.iter().map(first).collect();
    let model = MultivariateModel::fit(&first, options, default)?.model;
    let mut sessions = model.sessions();
    let mut scores = vec![Vec::with_capacity(columns.len()); rows - half];
    for (session, column) in sessions.iter_mut().zip(columns) {
        for (row, point) in scores.iter_mut().zip(&column.points[half..]) {
            let verdict = session.update(*point).verdict;
            row.push(normal_score(point.value, &verdict, model.rate(None)));
        }
    }
    Ok(Some(Joint::fit(&scores)))
}

impl JointDetection {
    /// Judges the next row, and learns from it.
    pub fn update(&mut self, row: &Row) -> JointJudged {
        let verdicts: Vec<Verdict> = self
            .sessions
            .iter_mut()
            .zip(row.points())
            .map(|(session, point): (&mut Session, Point)| session.update(point).verdict)
            .collect();
        let verdict = self.model.join(&self.joint, row, verdicts, None);
        self.quiet += 1;
        let alarm = verdict.anomaly && (self.episodes.is_empty() || self.quiet > self.quiet_limit);
        if alarm {
            self.episodes.push(JointEpisode {
                start: row.timestamp,
                end: row.timestamp,
                peak: row.timestamp,
                severity: verdict.severity,
                p_value: verdict.p_value,
            });
        }
        if let Some(episode) = self.episodes.last_mut().filter(|_| verdict.anomaly) {
            self.quiet = 0;
            episode.end = row.timestamp;
            if verdict.p_value < episode.p_value {
                (episode.peak, episode.p_value) = (row.timestamp, verdict.p_value);
                episode.severity = verdict.severity;
            }
        }
        JointJudged { verdict, alarm }
    }

    /// All episodes so far, in order; the last one may still be running.
    pub fn episodes(&self) -> &[JointEpisode] {
        &self.episodes
    }
}
