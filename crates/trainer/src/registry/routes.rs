//! The routes of the registry.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, header},
    response::Response,
    routing::{get, post},
};
use contract::{
    AliasInfo, AliasName, AliasRequest, ModelList, RollbackRequest, SeriesDetail, SeriesId,
    SeriesList,
};
use http_server::{Fallible, read_body};
use service::{series::SeriesPath, work::blocking};
use store::{Changed, Refusal};

use super::{
    extract::{AliasPath, ModelPath, RegistryRequest},
    file, import,
    query::{ModelsPage, SeriesPage},
    reply::{gone, shown, with_tag},
};
use crate::{
    App,
    error::Error,
    reply::{JSON, json},
};

/// The largest body of a change, in bytes: it names a version.
const MAX_CHANGE_BYTES: usize = 4 * 1024;

pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/series", get(list))
        .route("/v1/series/{series_id}", get(series).delete(delete_series))
        .route(
            "/v1/series/{series_id}/models",
            get(models).post(import::import),
        )
        .route(
            "/v1/series/{series_id}/models/{version}",
            get(model).delete(delete_model),
        )
        .route(
            "/v1/series/{series_id}/models/{version}/export",
            get(export),
        )
        .route(
            "/v1/series/{series_id}/aliases/{alias}",
            get(alias).put(set_alias).delete(remove_alias),
        )
        .route("/v1/series/{series_id}/rollback", post(roll_back))
}

async fn list(request: RegistryRequest) -> Response {
    let listing = async |app: Arc<App>, request: RegistryRequest| {
        let page = SeriesPage::parse(request.query())?;
        // One entry more tells whether there is a next page.
        let store = &app.registry.store;
        let found = store.list_series(&page.prefix, page.after.as_ref(), page.limit + 1);
        let mut series = found.await.map_err(Error::Unanswered)?;
        let next = cut(&mut series, page.limit).map(|last| last.series_id.to_string());
        Ok(json(&SeriesList { series, next }))
    };
    request.answer(listing).await
}

async fn series(SeriesPath(series): SeriesPath, request: RegistryRequest) -> Response {
    let reading = async move |app: Arc<App>, request: RegistryRequest| {
        let conditions = request.reads()?;
        let detail = detail_of(&app, &series).await?;
        shown(&conditions, detail.summary.revision, &detail)
    };
    request.answer(reading).await
}

async fn delete_series(SeriesPath(series): SeriesPath, request: RegistryRequest) -> Response {
    let deleting = async move |app: Arc<App>, request: RegistryRequest| {
        let context = request.changes()?;
        let changed = app.registry.delete_series(&series, context).await?;
        Ok(gone(&changed))
    };
    request.answer(deleting).await
}

async fn models(SeriesPath(series): SeriesPath, request: RegistryRequest) -> Response {
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

async fn model(
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

async fn delete_model(
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

async fn export(
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
        let file = blocking(move || file::write(series, info, document)).await;
        let mut response = Response::new(Body::from(file));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, JSON);
        headers.insert(header::CONTENT_DISPOSITION, disposition);
        Ok(response)
    };
    request.answer(exporting).await
}

async fn alias(
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

async fn set_alias(
    AliasPath(alias): AliasPath,
    SeriesPath(series): SeriesPath,
    request: RegistryRequest,
    body: Body,
) -> Fallible<Response> {
    let body = read_body(body, MAX_CHANGE_BYTES).await?;
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

async fn remove_alias(
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

async fn roll_back(
    SeriesPath(series): SeriesPath,
    request: RegistryRequest,
    body: Body,
) -> Fallible<Response> {
    let body = read_body(body, MAX_CHANGE_BYTES).await?;
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
    Ok(with_tag(json(&info), changed.revision))
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
