//! `/v1/anomalies` and `/v1/incidents`: what was found is asked of the database, never of an owner.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    http::HeaderMap,
    response::Response,
};
use contract::{Anomaly, AnomalyId, IncidentId, SeriesId, header::SERIES_PREFIXES};
use http_server::{BadParameter, Fallible, Query, json};
use service::{page::limit, prefixes, series::SeriesPath};
use store::{AnomalyOrder, AnomalyQuery};

use crate::{App, ask::ask, error::Error};

/// The query of anomalies of any series, and of those of one.
const ANY: [&str; 13] = [
    "since", "until", "from", "to", "series", "prefix", "label", "kind", "severity", "status",
    "order", "limit", "after",
];
const OF_ONE: [&str; 10] = [
    "since", "until", "from", "to", "kind", "severity", "status", "order", "limit", "after",
];

/// Lists anomalies.
pub(crate) async fn list(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    ask(&app, head, |store, head| async move {
        let query = AnomalyQuery {
            prefixes: allowed(&head.headers),
            ..parse(head.uri.query(), &ANY)?
        };
        Ok(json(&store.anomalies(&query).await?))
    })
    .await
}

/// Lists the anomalies of a series.
pub(crate) async fn of_series(
    State(app): State<Arc<App>>,
    SeriesPath(series): SeriesPath,
    request: Request,
) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    ask(&app, head, |store, head| async move {
        let query = AnomalyQuery {
            series: Some(series),
            ..parse(head.uri.query(), &OF_ONE)?
        };
        Ok(json(&store.anomalies(&query).await?))
    })
    .await
}

/// Shows an anomaly.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    ask(&app, head, |store, head| async move {
        Query::none(head.uri.query())?;
        let id: AnomalyId = id.parse().map_err(|_| Error::NoAnomaly)?;
        let shown = store.anomaly(id).await?;
        let shown = shown.filter(|shown| may_see(&head.headers, &shown.anomaly.series_id));
        Ok(json(&shown.ok_or(Error::NoAnomaly)?))
    })
    .await
}

/// Lists incidents.
pub(crate) async fn incidents(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    ask(&app, head, |store, head| async move {
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let query = query.of_only(&["status", "limit", "after"])?;
        let (status, limit) = (word(&query, "status")?, limit(&query)?);
        let allowed = allowed(&head.headers);
        let listing = store.incidents(status, limit, query.get("after")?, allowed.as_deref());
        Ok(json(&listing.await?))
    })
    .await
}

/// Shows an incident, with those of its anomalies that the caller may see.
pub(crate) async fn incident(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    ask(&app, head, |store, head| async move {
        Query::none(head.uri.query())?;
        let id: IncidentId = id.parse().map_err(|_| Error::NoIncident)?;
        let mut shown = store.incident(id).await?.ok_or(Error::NoIncident)?;
        let headers = &head.headers;
        let seen = |anomaly: &Anomaly| may_see(headers, &anomaly.series_id);
        shown.anomalies.retain(seen);
        match shown.anomalies.is_empty() && headers.contains_key(SERIES_PREFIXES) {
            true => Err(Error::NoIncident),
            false => Ok(json(&shown)),
        }
    })
    .await
}

pub(crate) fn may_see(headers: &HeaderMap, series: &SeriesId) -> bool {
    prefixes::forbidden(headers, std::iter::once(series)).is_none()
}

/// The prefixes of the series that the caller may see; `None`: all.
fn allowed(headers: &HeaderMap) -> Option<Vec<String>> {
    headers.get(SERIES_PREFIXES)?;
    Some(prefixes::within(headers, ""))
}

fn parse(query: Option<&str>, known: &[&str]) -> Result<AnomalyQuery, Error> {
    let query = Query::parse(query.unwrap_or_default()).of_only(known)?;
    let timestamp = |name| -> Result<Option<i64>, Error> {
        let parsed = query.get(name)?.map(str::parse).transpose();
        Ok(parsed.map_err(|_| BadParameter::invalid(name, "it is not a timestamp"))?)
    };
    let series = query.get("series")?.map(SeriesId::new).transpose();
    let label = query.get("label")?.map(|text| {
        let rule = "it is not of the form name=value";
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| BadParameter::invalid("label", rule))?;
        Ok::<_, BadParameter>((name.to_owned(), value.to_owned()))
    });
    let order = match query.get("order")? {
        None | Some("time") => AnomalyOrder::Time,
        Some("ratio") => AnomalyOrder::Ratio,
        Some(_) => {
            return Err(BadParameter::invalid("order", "it is neither time nor ratio").into());
        }
    };
    Ok(AnomalyQuery {
        since: word(&query, "since")?,
        until: word(&query, "until")?,
        from: timestamp("from")?,
        to: timestamp("to")?,
        series: series.map_err(|rule| BadParameter::invalid("series", rule))?,
        prefix: query.get("prefix")?.map(str::to_owned),
        prefixes: None,
        labels: label.transpose()?.into_iter().collect(),
        kind: word(&query, "kind")?,
        severity: word(&query, "severity")?,
        status: word(&query, "status")?,
        order,
        limit: limit(&query)?,
        after: query.get("after")?.map(str::to_owned),
    })
}

/// The parameter `name`, which is one of some words, or a moment.
fn word<T>(query: &Query<'_>, name: &str) -> Result<Option<T>, Error>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let parsed = query.get(name)?.map(str::parse).transpose();
    Ok(parsed.map_err(|why| BadParameter::invalid(name, why))?)
}
