//! Lists of anomalies and incidents, and silences.

use anyhow::{Context, Result, ensure};
use contract::{
    Anomaly, AnomalyKind, IncidentId, Moment, OpenStatus, Severity, Silence, SilenceRequest,
};
use store::{AnomalyChange, AnomalyOrder, AnomalyQuery, MAX_SILENCES, Store, StoreError};

use super::{
    anomalies::{T0, anomaly, commit, opened},
    series,
};
use crate::backend::{Backend, error_of};

/// A query without conditions.
fn all(limit: u32) -> AnomalyQuery {
    AnomalyQuery {
        limit,
        ..AnomalyQuery::default()
    }
}

/// All anomalies that meet a query, page by page.
async fn pages(store: &Store, mut query: AnomalyQuery) -> Result<Vec<Anomaly>> {
    let mut found = Vec::new();
    loop {
        let page = store.anomalies(&query).await?;
        ensure!(page.anomalies.len() <= query.limit as usize);
        ensure!(page.next.is_none() || page.anomalies.len() == query.limit as usize);
        found.extend(page.anomalies);
        match page.next {
            None => return Ok(found),
            next => query.after = next,
        }
    }
}

pub(crate) async fn anomalies_are_listed_each_once_in_both_orders(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let mut found: Vec<Anomaly> = (0..1_000).map(|n| anomaly("s", n)).collect();
    for (n, anomaly) in found.iter_mut().enumerate() {
        // Many at one time and many of one strength, some of them in both.
        anomaly.opened_at = Moment((n as i64 % 10) * 1_000);
        anomaly.ratio = [0.1, 1e300, 1.0 / 3.0][n % 3];
        anomaly.silenced = true;
    }
    commit(&store, found.iter().map(opened).collect()).await?;
    for order in [AnomalyOrder::Time, AnomalyOrder::Ratio] {
        for limit in [1_000, 333, 7] {
            let listed = pages(
                &store,
                AnomalyQuery {
                    order,
                    ..all(limit)
                },
            )
            .await?;
            let mut expected = found.clone();
            expected.sort_by(|a, b| {
                let by_order = match order {
                    AnomalyOrder::Time => a.opened_at.cmp(&b.opened_at),
                    AnomalyOrder::Ratio => a.ratio.total_cmp(&b.ratio),
                };
                by_order.then(a.anomaly_id.cmp(&b.anomaly_id)).reverse()
            });
            ensure!(listed == expected, "{order:?} by {limit}");
        }
    }
    for limit in [0, 1] {
        assert_eq!(store.anomalies(&all(limit)).await?.anomalies.len(), 1);
    }
    for after in ["", "1", "x.1", "1.x"] {
        let after = Some(after.to_owned());
        let error = error_of(store.anomalies(&AnomalyQuery { after, ..all(1) }).await)?;
        ensure!(matches!(error, StoreError::BadCursor(_)), "{error:?}");
    }
    Ok(())
}

/// The timestamps of the anomalies that meet a query, which `ask` makes of one without conditions.
async fn starts(store: &Store, ask: impl FnOnce(&mut AnomalyQuery)) -> Result<Vec<i64>> {
    let mut query = all(5);
    ask(&mut query);
    let listed = pages(store, query).await?;
    let mut starts: Vec<i64> = listed.iter().map(|anomaly| anomaly.start).collect();
    starts.sort_unstable();
    Ok(starts)
}

/// Nothing that is listed.
const NONE: [i64; 0] = [];

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn label(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// Twelve anomalies of four series, some of them unlike the others.
async fn twelve(store: &Store) -> Result<()> {
    let ids = ["a%b", "a_b", "axb", "b"];
    let mut found: Vec<Anomaly> = (0..12).map(|n| anomaly(ids[n as usize % 4], n)).collect();
    found[1].kind = AnomalyKind::Missing;
    found[2].severity = Severity::Critical;
    found[3].status = OpenStatus::Closed;
    found[4].labels.extend([label("z\"'\\", "%")]);
    found[5].labels.clear();
    commit(store, found.iter().map(opened).collect()).await
}

pub(crate) async fn anomalies_are_listed_by_series_and_labels(
    backend: &impl Backend,
) -> Result<()> {
    let store = &backend.open().await?;
    twelve(store).await?;
    let s = Some(series("a_b"));
    assert_eq!(starts(store, |q| q.series = s).await?, [1, 5, 9]);
    let with = |prefix: &str| {
        let prefix = Some(prefix.to_owned());
        |q: &mut AnomalyQuery| q.prefix = prefix
    };
    assert_eq!(starts(store, with("a_")).await?, [1, 5, 9]);
    assert_eq!(starts(store, with("a\0")).await?, NONE);
    let own = |q: &mut AnomalyQuery| q.prefixes = Some(texts(&["a%", "b"]));
    assert_eq!(starts(store, own).await?, [0, 3, 4, 7, 8, 11]);
    let both = |q: &mut AnomalyQuery| {
        own(q);
        with("a")(q);
    };
    assert_eq!(starts(store, both).await?, [0, 4, 8]);
    assert_eq!(starts(store, |q| q.prefixes = Some(vec![])).await?, NONE);
    let hosts = |labels: &[(&str, &str)]| {
        let labels = labels
            .iter()
            .map(|(name, value)| label(name, value))
            .collect();
        |q: &mut AnomalyQuery| q.labels = labels
    };
    let one = ("host", "h1");
    assert_eq!(starts(store, hosts(&[one])).await?, [1, 4, 7, 10]);
    assert_eq!(starts(store, hosts(&[one, ("z\"'\\", "%")])).await?, [4]);
    assert_eq!(starts(store, hosts(&[one, ("host", "h2")])).await?, NONE);
    assert_eq!(starts(store, hosts(&[("host", "\0")])).await?, NONE);
    Ok(())
}

pub(crate) async fn anomalies_are_listed_by_time_kind_and_severity(
    backend: &impl Backend,
) -> Result<()> {
    let store = &backend.open().await?;
    twelve(store).await?;
    let everything: Vec<i64> = (0..12).collect();
    assert_eq!(starts(store, |_| {}).await?, everything);
    let found = |n: i64| Some(Moment(T0 + n * 1_000));
    let times = |q: &mut AnomalyQuery| (q.since, q.until) = (found(3), found(5));
    assert_eq!(starts(store, times).await?, [3, 4, 5]);
    let timestamps = |q: &mut AnomalyQuery| (q.from, q.to) = (Some(10), Some(11));
    assert_eq!(starts(store, timestamps).await?, [10, 11]);
    let missing = Some(AnomalyKind::Missing);
    assert_eq!(starts(store, |q| q.kind = missing).await?, [1]);
    let (low, high) = (Some(Severity::Low), Some(Severity::High));
    assert_eq!(starts(store, |q| q.severity = high).await?, [2]);
    assert_eq!(starts(store, |q| q.severity = low).await?, everything);
    let closed = Some(OpenStatus::Closed);
    assert_eq!(starts(store, |q| q.status = closed).await?, [3]);
    Ok(())
}

pub(crate) async fn incidents_are_listed_each_once_to_who_may_see_them(
    backend: &impl Backend,
) -> Result<()> {
    let store = backend.open().await?;
    let mut changes: Vec<AnomalyChange> = (0..40)
        .map(|n| AnomalyChange {
            group: n.to_string(),
            ..opened(&anomaly(if n % 2 == 0 { "even" } else { "odd" }, n))
        })
        .collect();
    changes[39].anomaly.status = OpenStatus::Closed;
    commit(&store, changes).await?;
    let list = async |status, prefixes: Option<&[String]>| -> Result<Vec<u32>> {
        let (mut groups, mut after) = (Vec::new(), None);
        loop {
            let page = store
                .incidents(status, 7, after.as_deref(), prefixes)
                .await?;
            for incident in &page.incidents {
                groups.push(incident.group.parse()?);
            }
            after = page.next;
            if after.is_none() {
                return Ok(groups);
            }
        }
    };
    let expected: Vec<u32> = (0..40).rev().collect();
    assert_eq!(list(None, None).await?, expected);
    assert_eq!(list(Some(OpenStatus::Closed), None).await?, [39]);
    assert_eq!(list(Some(OpenStatus::Open), None).await?, expected[1..]);
    let even: Vec<u32> = (0..20).rev().map(|n| n * 2).collect();
    assert_eq!(
        list(None, Some(&["ev".to_owned(), "x".to_owned()])).await?,
        even
    );
    assert_eq!(list(None, Some(&[])).await?, [0; 0]);
    assert_eq!(store.incident(IncidentId(7)).await?, None);
    Ok(())
}

pub(crate) async fn silences_are_kept_until_they_are_deleted(backend: &impl Backend) -> Result<()> {
    let store = backend.open().await?;
    let body = br#"{"matchers":[{"name":"host","op":"!~","value":"db'\"\\\\"}],
        "intervals":[{"weekdays":["sunday"],"location":"Europe/Vienna"}],"comment":"\u00e9"}"#;
    let silence = |id, at| -> Result<Silence> {
        Ok(SilenceRequest::parse(body)?.silence(IncidentId(id), Moment(at)))
    };
    let (one, two) = (silence(1, 5)?, silence(2, 4)?);
    ensure!(store.put_silence(&one).await? && store.put_silence(&two).await?);
    assert_eq!(store.silences().await?, [two.clone(), one.clone()]);
    let changed = Silence {
        ends_at: Some(Moment(9)),
        ..one
    };
    ensure!(store.put_silence(&changed).await?);
    assert_eq!(store.silences().await?, [two.clone(), changed.clone()]);
    ensure!(store.delete_silence(two.silence_id).await?);
    ensure!(!store.delete_silence(two.silence_id).await?);
    assert_eq!(store.silences().await?, std::slice::from_ref(&changed));

    let fill = format!(
        "INSERT INTO silences (silence_id, starts_at, ends_at, document)
         WITH RECURSIVE n (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM n WHERE n < {MAX_SILENCES})
         SELECT 'x' || n, 0, 0, '{{}}' FROM n"
    );
    backend.execute(&fill).await?;
    ensure!(!store.put_silence(&two).await?, "one too many");
    ensure!(store.put_silence(&changed).await?, "no more than before");
    let error = error_of(store.silences().await)?;
    ensure!(matches!(error, StoreError::Unreadable(_)));
    ensure!(store.delete_silence(changed.silence_id).await?);
    store
        .put_silence(&two)
        .await?
        .then_some(())
        .context("there is room")
}
