//! The handlers of the registry.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use contract::{
    AliasInfo, AliasName, AliasRequest, EndpointName, ModelList, RollbackRequest, SeriesDetail,
    SeriesId, SeriesList,
};
use http_server::{Fallible, JSON, json, read_body};
use service::{prefixes, series::SeriesPath, work::blocking};
use store::{Changed, Refusal};

use super::{
    extract::{AliasPath, ModelPath, RegistryRequest},
    file,
    query::{ModelsPage, SeriesPage},
    reply::{gone, shown, with_tag},
};
use crate::{App, error::Error, reply::with_version};

/// The longest body of a change of an alias, in bytes.
const MAX_ALIAS_BYTES: usize = EndpointName::SetAlias.endpoint().body.max();
/// The longest body of a rollback, in bytes.
const MAX_ROLLBACK_BYTES: usize = EndpointName::RollBack.endpoint().body.max();

pub(crate) async fn list(headers: HeaderMap, request: RegistryRequest) -> Response {
    let listing = async move |app: Arc<App>, request: RegistryRequest| {
        let page = SeriesPage::parse(request.query())?;
        let (store, mut series) = (&app.registry.store, Vec::new());
        for prefix in prefixes::within(&headers, &page.prefix) {
            // One entry more tells whether there is a next page.
            let found = u32::try_from(series.len()).unwrap_or(u32::MAX);
            let left = (page.limit + 1).saturating_sub(found);
            if left == 0 {
                break;
            }
            let found = store.list_series(&prefix, page.after.as_ref(), left).await;
            series.append(&mut found.map_err(Error::Unanswered)?);
        }
        let next = cut(&mut series, page.limit).map(|last| last.series_id.to_string());
        Ok(json(&SeriesList { series, next }))
    };
    request.answer(listing).await
}

pub(crate) async fn series(SeriesPath(series): SeriesPath, request: RegistryRequest) -> Response {
    let reading = async move |app: Arc<App>, request: RegistryRequest| {
        let conditions = request.reads()?;
        let detail = detail_of(&app, &series).await?;
        shown(&conditions, detail.summary.revision, &detail)
    };
    request.answer(reading).await
}

pub(crate) async fn delete_series(
    SeriesPath(series): SeriesPath,
    request: RegistryRequest,
) -> Response {
    let deleting = async move |app: Arc<App>, request: RegistryRequest| {
        let context = request.changes()?;
        Ok(match app.registry.delete_series(&series, context).await? {
            Some(changed) => gone(&changed),
            None => StatusCode::NO_CONTENT.into_response(),
        })
    };
    request.answer(deleting).await
}

pub(crate) async fn models(SeriesPath(series): SeriesPath, request: RegistryRequest) -> Response {
    let listing = async move |app: Arc<App>, request: RegistryRequest| {
        let page = ModelsPage::parse(request.query())?;
        let conditions = request.conditions()?;
        // The revision first: a list that is newer than its tag is only sent again, but one that is
        // older would be kept.
        let revision = detail_of(&app, &series).await?.summary.revision;
        let store = &app.registry.store;
        let found = store.list_models(&series, page.before, page.limit + 1);
        let found = found.await.map_err(Error::Unanswered)?;
        let mut models = found.ok_or(Refusal::NoSeries)?;
        let next = cut(&mut models, page.limit).map(|last| last.version);
        let list = ModelList {
            series_id: series,
            models,
            next,
        };
        shown(&conditions, revision, &list)
    };
    request.answer(listing).await
}

pub(crate) async fn model(
    ModelPath(model): ModelPath,
    SeriesPath(series): SeriesPath,
    request: RegistryRequest,
) -> Response {
    let reading = async move |app: Arc<App>, request: RegistryRequest| {
        let conditions = request.reads()?;
        let (revision, info) = app.registry.store.model_info(&series, &model).await?;
        shown(&conditions, revision, &info)
    };
    request.answer(reading).await
}

pub(crate) async fn delete_model(
    ModelPath(model): ModelPath,
    SeriesPath(series): SeriesPath,
    request: RegistryRequest,
) -> Response {
    let deleting = async move |app: Arc<App>, request: RegistryRequest| {
        let context = request.changes()?;
        let changed = app.registry.delete_model(&series, &model, context).await?;
        Ok(gone(&changed))
    };
    request.answer(deleting).await
}

pub(crate) async fn export(
    ModelPath(model): ModelPath,
    SeriesPath(series): SeriesPath,
    request: RegistryRequest,
) -> Response {
    let exporting = async move |app: Arc<App>, request: RegistryRequest| {
        request.reads()?;
        let store = &app.registry.store;
        let (info, document) = store.model_document(&series, &model).await?;
        let name = file::name(&series, info.version);
        let disposition = format!("attachment; filename=\"{name}\"");
        let disposition = HeaderValue::try_from(disposition).expect("the name is plain ASCII");
        let mut file = blocking(move || file::write(series, info, document, &app.exports)).await;
        file.push('\n');
        let mut response = Response::new(Body::from(file));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, JSON);
        headers.insert(header::CONTENT_DISPOSITION, disposition);
        Ok(response)
    };
    request.answer(exporting).await
}

pub(crate) async fn alias(
    AliasPath(alias): AliasPath,
    SeriesPath(series): SeriesPath,
    request: RegistryRequest,
) -> Response {
    let reading = async move |app: Arc<App>, request: RegistryRequest| {
        let conditions = request.reads()?;
        let detail = detail_of(&app, &series).await?;
        let revision = detail.summary.revision;
        shown(&conditions, revision, &alias_of(detail, &alias)?)
    };
    request.answer(reading).await
}

pub(crate) async fn set_alias(
    AliasPath(alias): AliasPath,
    SeriesPath(series): SeriesPath,
    request: RegistryRequest,
    body: Body,
) -> Fallible<Response> {
    let body = read_body(body, MAX_ALIAS_BYTES).await?;
    let setting = async move |app: Arc<App>, request: RegistryRequest| {
        let context = request.changes()?;
        let to = AliasRequest::parse(&body)?.version;
        let changed = app
            .registry
            .set_alias(&series, &alias, &to, context)
            .await?;
        set(&app, &series, &alias, changed).await
    };
    Ok(request.answer(setting).await)
}

pub(crate) async fn remove_alias(
    AliasPath(alias): AliasPath,
    SeriesPath(series): SeriesPath,
    request: RegistryRequest,
) -> Response {
    let removing = async move |app: Arc<App>, request: RegistryRequest| {
        let context = request.changes()?;
        let changed = app.registry.remove_alias(&series, &alias, context).await?;
        Ok(gone(&changed))
    };
    request.answer(removing).await
}

pub(crate) async fn roll_back(
    SeriesPath(series): SeriesPath,
    request: RegistryRequest,
    body: Body,
) -> Fallible<Response> {
    let body = read_body(body, MAX_ROLLBACK_BYTES).await?;
    let rolling = async move |app: Arc<App>, request: RegistryRequest| {
        let context = request.changes()?;
        RollbackRequest::parse(&body)?;
        let changed = app.registry.roll_back(&series, context).await?;
        set(&app, &series, &AliasName::champion(), changed).await
    };
    Ok(request.answer(rolling).await)
}

/// The reply to a change of `alias`.
async fn set(
    app: &App,
    series: &SeriesId,
    alias: &AliasName,
    changed: Changed,
) -> Result<Response, Error> {
    let info = match changed.alias {
        Some(info) => info,
        None => alias_of(detail_of(app, series).await?, alias)?,
    };
    let reply = with_version(json(&info), info.version);
    Ok(with_tag(reply, changed.revision))
}

async fn detail_of(app: &App, series: &SeriesId) -> Result<SeriesDetail, Error> {
    let found = app.registry.store.series(series).await;
    let found = found.map_err(Error::Unanswered)?;
    Ok(found.ok_or(Refusal::NoSeries)?)
}

fn alias_of(detail: SeriesDetail, alias: &AliasName) -> Result<AliasInfo, Error> {
    let mut aliases = detail.aliases.into_iter();
    let found = aliases.find(|info| info.name == *alias);
    Ok(found.ok_or(Refusal::NoAlias)?)
}

/// Cuts `found` to `limit`. If that removes entries, there is another page after the last entry
/// that is left.
fn cut<T>(found: &mut Vec<T>, limit: u32) -> Option<&T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if found.len() <= limit {
        return None;
    }
    found.truncate(limit);
    found.last()
}
