//! `/v1/anomalies` and `/v1/incidents`: what was found is asked of the database, never of an owner.

use std::{ops::RangeInclusive, sync::Arc};

use axum::{
    extract::{Path, Request, State},
    http::{HeaderMap, request::Parts},
    response::Response,
};
use contract::{AnomalyId, IncidentId, SeriesId, header::SERIES_PREFIXES};
use http_server::{BadParameter, Fallible, Query, RequestContext, json};
use service::{prefixes, series::SeriesPath, task::on_main};
use store::{AnomalyOrder, AnomalyQuery};

use crate::{App, error::Error, streams::no_query};

/// The number of entries that a page may have.
const LIMITS: RangeInclusive<u32> = 1..=1000;
/// The number of entries of a page unless the request names one.
const DEFAULT_LIMIT: u32 = 100;

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
    let parsed = parse(head.uri.query(), &ANY).map(|query| AnomalyQuery {
        prefixes: allowed(&head.headers),
        ..query
    });
    reply(&app, &head, parsed).await
}

/// Lists the anomalies of a series.
pub(crate) async fn of_series(
    State(app): State<Arc<App>>,
    SeriesPath(series): SeriesPath,
    request: Request,
) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    let parsed = parse(head.uri.query(), &OF_ONE).map(|query| AnomalyQuery {
        series: Some(series),
        ..query
    });
    reply(&app, &head, parsed).await
}

async fn reply(app: &App, head: &Parts, query: Result<AnomalyQuery, Error>) -> Fallible<Response> {
    let context = head.extensions.get::<RequestContext>();
    let refused = |error: Error| error.reply(context);
    let query = query.map_err(refused)?;
    let store = app.shared.store.clone();
    let listed = on_main(async move { store.anomalies(&query).await });
    Ok(json(&listed.await.map_err(|error| refused(error.into()))?))
}

/// Shows an anomaly.
pub(crate) async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    let context = head.extensions.get::<RequestContext>();
    let refused = |error: Error| error.reply(context);
    no_query(head.uri.query()).map_err(refused)?;
    let id: AnomalyId = id.parse().map_err(|_| refused(Error::NoAnomaly))?;
    let store = app.shared.store.clone();
    let shown = on_main(async move { store.anomaly(id).await });
    let shown = shown.await.map_err(|error| refused(error.into()))?;
    shown
        .filter(|shown| may_see(&head.headers, &shown.anomaly.series_id))
        .map(|shown| json(&shown))
        .ok_or_else(|| refused(Error::NoAnomaly))
}

/// Lists incidents.
pub(crate) async fn incidents(State(app): State<Arc<App>>, request: Request) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    let context = head.extensions.get::<RequestContext>();
    let refused = |error: Error| error.reply(context);
    let page = || -> Result<_, Error> {
        let query = Query::parse(head.uri.query().unwrap_or_default());
        let query = query.of_only(&["status", "limit", "after"])?;
        let after = query.get("after")?.map(str::to_owned);
        Ok((word(&query, "status")?, limit(&query)?, after))
    };
    let (status, limit, after) = page().map_err(refused)?;
    let allowed = allowed(&head.headers);
    let store = app.shared.store.clone();
    let listed = on_main(async move {
        let after = after.as_deref();
        let listing = store.incidents(status, limit, after, allowed.as_deref());
        listing.await
    });
    Ok(json(&listed.await.map_err(|error| refused(error.into()))?))
}

/// Shows an incident, with those of its anomalies that the caller may see.
pub(crate) async fn incident(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    request: Request,
) -> Fallible<Response> {
    let (head, _) = request.into_parts();
    let context = head.extensions.get::<RequestContext>();
    let refused = |error: Error| error.reply(context);
    no_query(head.uri.query()).map_err(refused)?;
    let id: IncidentId = id.parse().map_err(|_| refused(Error::NoIncident))?;
    let store = app.shared.store.clone();
    let shown = on_main(async move { store.incident(id).await });
    let shown = shown.await.map_err(|error| refused(error.into()))?;
    let mut shown = shown.ok_or_else(|| refused(Error::NoIncident))?;
    let headers = &head.headers;
    let seen = |anomaly: &contract::Anomaly| may_see(headers, &anomaly.series_id);
    shown.anomalies.retain(seen);
    match shown.anomalies.is_empty() && headers.contains_key(SERIES_PREFIXES) {
        true => Err(refused(Error::NoIncident)),
        false => Ok(json(&shown)),
    }
}

fn may_see(headers: &HeaderMap, series: &SeriesId) -> bool {
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

fn limit(query: &Query<'_>) -> Result<u32, Error> {
    let Some(text) = query.get("limit")? else {
        return Ok(DEFAULT_LIMIT);
    };
    let limit = text.parse().ok().filter(|limit| LIMITS.contains(limit));
    let (least, most) = (LIMITS.start(), LIMITS.end());
    let rule = format!("it is not a whole number from {least} to {most}");
    Ok(limit.ok_or_else(|| BadParameter::invalid("limit", rule))?)
}
