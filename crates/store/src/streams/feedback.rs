//! What people say of anomalies, and what follows from it.
//!
//! It decides which anomalies people are told of from then on, within the commit that stores these,
//! and which points the next fit leaves out. It never reaches a running session: that would end
//! that a replay finds the same.

use std::collections::BTreeMap;

use contract::{
    Anomaly, AnomalyId, Budget, FalseAlarms, Feedback, HeldBack, Moment, SeriesId, Severity,
};
use futures_util::{FutureExt, future::BoxFuture};

use super::{AnomalyChange, effects::severity, partitions::dialect};
use crate::{
    Store, StoreError,
    columns::{unreadable, unsigned},
    registry::connection::{Connection, Value},
};

/// How long a dismissal counts.
const DISMISSED_FOR_MS: i64 = 30 * 86_400_000;

/// The most that a dismissal asks of the ratio of others: a slip of the hand makes no series mute.
const HIGHEST_LEVEL: f64 = 2.0;

/// The time that the figures of false alarms are about.
const FIGURES_MS: i64 = 14 * 86_400_000;
const WEEK_MS: i64 = 7 * 86_400_000;

impl Store {
    /// Keeps what somebody says of the anomaly `id`, in place of what was said before. Returns the
    /// anomaly, or `None` if there is no such anomaly.
    ///
    /// # Errors
    /// When it is not certain that it is kept.
    pub fn put_feedback<'a>(
        &'a self,
        id: AnomalyId,
        feedback: &'a Feedback,
    ) -> BoxFuture<'a, Result<Option<Anomaly>, StoreError>> {
        async move {
            const PUT: &str = "
                INSERT INTO feedback (anomaly_id, series_id, verdict, at, ratio, began, last, document)
                SELECT anomaly_id, series_id, $2, $3, ratio, $4, last, $5 FROM anomalies WHERE anomaly_id = $1
                ON CONFLICT (anomaly_id) DO UPDATE SET verdict = excluded.verdict, at = excluded.at,
                    ratio = excluded.ratio, began = excluded.began, last = excluded.last, document = excluded.document
                RETURNING anomaly_id";
            let Some(known) = self.anomaly(id).await? else {
                return Ok(None);
            };
            let document =
                serde_json::to_string(feedback).map_err(|why| unreadable(why.to_string()))?;
            let text = id.to_string();
            let values: [Value<'_>; 5] = [
                text.as_str().into(),
                feedback.verdict.as_str().into(),
                feedback.at.0.into(),
                known.anomaly.began.into(),
                document.as_str().into(),
            ];
            let kept: Vec<(String,)> = self
                .transact(async |connection| Ok(connection.run(PUT, &values).await?))
                .await?;
            let anomaly = Anomaly {
                feedback: Some(feedback.clone()),
                ..known.anomaly
            };
            Ok((!kept.is_empty()).then_some(anomaly))
        }
        .boxed()
    }

    /// Takes back what was said of the anomaly `id`. Returns whether anything was.
    ///
    /// # Errors
    /// When it is not certain that it is gone.
    pub fn delete_feedback(&self, id: AnomalyId) -> BoxFuture<'_, Result<bool, StoreError>> {
        async move {
            const DELETE: &str = "DELETE FROM feedback WHERE anomaly_id = $1 RETURNING anomaly_id";
            let id = id.to_string();
            let gone: Vec<(String,)> = self
                .transact(async |connection| {
                    Ok(connection.run(DELETE, &[id.as_str().into()]).await?)
                })
                .await?;
            Ok(!gone.is_empty())
        }
        .boxed()
    }

    /// The spans of confirmed anomalies of `series`: the timestamps of their first and their last
    /// abnormal point.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn confirmed_spans<'a>(
        &'a self,
        series: &'a SeriesId,
    ) -> BoxFuture<'a, Result<Vec<(i64, i64)>, StoreError>> {
        async move {
            const SPANS: &str = "
                SELECT f.began, coalesce(a.last, f.last) FROM feedback f
                LEFT JOIN anomalies a ON a.anomaly_id = f.anomaly_id
                WHERE f.series_id = $1 AND f.verdict = 'confirmed' ORDER BY f.began";
            self.select(SPANS, &[series.as_str().into()]).await
        }
        .boxed()
    }

    /// How many anomalies of `series` people were told of until `now`, beside the `asked` budget.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn false_alarms<'a>(
        &'a self,
        series: &'a SeriesId,
        asked: Option<Budget>,
        now: Moment,
    ) -> BoxFuture<'a, Result<FalseAlarms, StoreError>> {
        async move {
            const COUNT: &str = "
                SELECT count(CASE WHEN a.incident_id IS NOT NULL THEN 1 END),
                    count(CASE WHEN a.incident_id IS NOT NULL AND f.verdict = 'dismissed' THEN 1 END),
                    count(CASE WHEN a.held_back = 'budget' THEN 1 END),
                    count(CASE WHEN a.held_back = 'dismissed' THEN 1 END)
                FROM anomalies a LEFT JOIN feedback f ON f.anomaly_id = a.anomaly_id
                WHERE a.series_id = $1 AND a.opened_at >= $2";
            let since = Moment(now.0 - FIGURES_MS);
            let values = [series.as_str().into(), since.0.into()];
            let rows: Vec<(i64, i64, i64, i64)> = self.select(COUNT, &values).await?;
            let (told, dismissed, over_budget, held_back) =
                rows.first().copied().unwrap_or_default();
            const DISMISSED: &str = "
                SELECT series_id, at, ratio FROM feedback
                WHERE series_id = $1 AND verdict = 'dismissed' AND at > $2";
            let values = [series.as_str().into(), (now.0 - DISMISSED_FOR_MS).into()];
            let dismissals: Vec<(String, i64, f64)> = self.select(DISMISSED, &values).await?;
            let levels = dismissals.iter().map(|(_, _, ratio)| ratio.min(HIGHEST_LEVEL));
            let told = unsigned(told)?;
            Ok(FalseAlarms {
                asked,
                told,
                dismissed: unsigned(dismissed)?,
                over_budget: unsigned(over_budget)?,
                held_back: unsigned(held_back)?,
                since,
                per_week: told as f64 * WEEK_MS as f64 / FIGURES_MS as f64,
                notify_above: levels.reduce(f64::max),
            })
        }
        .boxed()
    }
}

/// What keeps people from being told of anomalies.
#[derive(Debug, Default)]
pub(super) struct Limits {
    /// When anomalies of a series were dismissed, and their ratios.
    dismissals: BTreeMap<String, Vec<(i64, f64)>>,
    /// When people were told of anomalies of a series, and their severities.
    told: BTreeMap<String, Vec<(i64, Severity)>>,
}

impl Limits {
    /// Those of the series of `changes`.
    pub(super) async fn read(
        connection: &mut Connection<'_>,
        changes: &[&AnomalyChange],
    ) -> Result<Self, StoreError> {
        let opening = || changes.iter().filter(|change| change.event.is_some());
        let Some(first) = opening().map(|change| change.anomaly.opened_at.0).min() else {
            return Ok(Self::default());
        };
        let mut limits = Self::default();
        let series: Vec<&SeriesId> = opening().map(|change| &change.anomaly.series_id).collect();
        let ids = serde_json::to_string(&series).map_err(|why| unreadable(why.to_string()))?;
        let statements = dialect(connection);
        let since = [ids.as_str().into(), (first - DISMISSED_FOR_MS).into()];
        let rows: Vec<(String, i64, f64)> = connection.run(statements.dismissals, &since).await?;
        for (series, at, ratio) in rows {
            limits
                .dismissals
                .entry(series)
                .or_default()
                .push((at, ratio));
        }
        let longest = opening().filter_map(|change| change.budget);
        let longest = longest.map(|budget| budget.per.milliseconds()).max();
        if let Some(longest) = longest {
            let since = [ids.as_str().into(), (first - longest).into()];
            let rows: Vec<(String, i64, i32)> = connection.run(statements.told, &since).await?;
            for (series, at, rank) in rows {
                limits
                    .told
                    .entry(series)
                    .or_default()
                    .push((at, severity(rank)?));
            }
        }
        Ok(limits)
    }

    /// Why people are not told of the anomaly of `change`. If they are, it counts from now on.
    pub(super) fn hold_back(&mut self, change: &AnomalyChange) -> Option<HeldBack> {
        let anomaly = &change.anomaly;
        let at = anomaly.opened_at.0;
        let dismissals = self.dismissals.get(anomaly.series_id.as_str());
        let levels = dismissals.into_iter().flatten();
        let levels = levels.filter(|(said, _)| (*said..said + DISMISSED_FOR_MS).contains(&at));
        let level = levels
            .map(|(_, ratio)| ratio.min(HIGHEST_LEVEL))
            .reduce(f64::max);
        // Silence has no strength.
        let has_strength = anomaly.kind == contract::AnomalyKind::Value;
        if has_strength && level.is_some_and(|level| anomaly.ratio <= level) {
            return Some(HeldBack::Dismissed);
        }
        let budget = change.budget?;
        let told = self.told.entry(anomaly.series_id.to_string()).or_default();
        let window = at - budget.per.milliseconds() + 1..=at;
        let within = || told.iter().filter(|(told, _)| window.contains(told));
        let is_used_up = within().count() >= usize::from(budget.alarms);
        let worst = within().map(|(_, severity)| *severity).max();
        if is_used_up && worst >= Some(anomaly.severity) {
            return Some(HeldBack::Budget);
        }
        told.push((at, anomaly.severity));
        None
    }
}

/// Forgets what was said of anomalies of `series`, a JSON array.
pub(super) async fn remove(
    connection: &mut Connection<'_>,
    series: &str,
) -> Result<(), StoreError> {
    let statement = dialect(connection).forget_feedback;
    connection.run::<()>(statement, &[series.into()]).await?;
    Ok(())
}

/// What was said of an anomaly, as it is stored.
pub(super) fn read(document: Option<&str>) -> Result<Option<Feedback>, StoreError> {
    let feedback = document.map(serde_json::from_str).transpose();
    feedback.map_err(|why| unreadable(format!("feedback: {why}")))
}
