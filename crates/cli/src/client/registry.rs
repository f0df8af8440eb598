//! Routes of the registry.

use contract::{
    AliasInfo, AliasName, AliasRequest, EndpointName, ImportReply, ModelFile, ModelList, Revision,
    SeriesDetail, SeriesId, SeriesList, Version, VersionRef,
};
use ureq::http::header::IF_MATCH;

use super::{Client, path, with_query};
use crate::http::{Call, ClientError, Reply, retry};

/// The most entries that a page may have.
const PAGE: u32 = 1000;

impl Client {
    /// A page of the series whose ids begin with `prefix`, those after `after`.
    pub(crate) fn list_series(
        &self,
        prefix: Option<&str>,
        after: Option<&str>,
    ) -> Result<Reply<SeriesList>, ClientError> {
        let route = with_query(
            &path(EndpointName::ListSeries, &[]),
            &[
                ("prefix", prefix.map(str::to_owned)),
                ("limit", Some(PAGE.to_string())),
                ("after", after.map(str::to_owned)),
            ],
        );
        retry(|| self.http.json(&Call::get(&*route)))
    }

    /// The series with its aliases.
    pub(crate) fn series(&self, series: &SeriesId) -> Result<Reply<SeriesDetail>, ClientError> {
        let route = path(EndpointName::ShowSeries, &[series.as_str()]);
        retry(|| self.http.json(&Call::get(&*route)))
    }

    /// A page of the models of `series`, those older than `before`.
    pub(crate) fn list_models(
        &self,
        series: &SeriesId,
        before: Option<Version>,
    ) -> Result<Reply<ModelList>, ClientError> {
        let route = with_query(
            &path(EndpointName::ListModels, &[series.as_str()]),
            &[
                ("limit", Some(PAGE.to_string())),
                ("before", before.map(|v| v.to_string())),
            ],
        );
        retry(|| self.http.json(&Call::get(&*route)))
    }

    /// Makes `alias` name `version`. Sent once, like all changes: another try could undo what
    /// someone else did in between.
    pub(crate) fn set_alias(
        &self,
        series: &SeriesId,
        alias: &AliasName,
        version: &VersionRef,
        if_match: Option<Revision>,
    ) -> Result<Reply<AliasInfo>, ClientError> {
        let request = AliasRequest {
            version: version.clone(),
        };
        let body = serde_json::to_vec(&request).expect("a version is JSON");
        let route = path(
            EndpointName::SetAlias,
            &[series.as_str(), &alias.to_string()],
        );
        let call = Call::put(route, &body);
        self.http.json(&call.with(IF_MATCH, tag(if_match)))
    }

    /// Takes `alias` away from `series`. Sent once.
    pub(crate) fn remove_alias(
        &self,
        series: &SeriesId,
        alias: &AliasName,
        if_match: Option<Revision>,
    ) -> Result<(), ClientError> {
        let route = path(
            EndpointName::RemoveAlias,
            &[series.as_str(), &alias.to_string()],
        );
        let call = Call::delete(route);
        self.http
            .bytes(&call.with(IF_MATCH, tag(if_match)))
            .map(drop)
    }

    /// Makes the champion name the version that it named before.
    pub(crate) fn rollback(
        &self,
        series: &SeriesId,
        if_match: Option<Revision>,
    ) -> Result<Reply<AliasInfo>, ClientError> {
        let route = path(EndpointName::RollBack, &[series.as_str()]);
        let call = Call::post(route, &[]);
        self.http.json(&call.with(IF_MATCH, tag(if_match)))
    }

    /// A model as a file.
    pub(crate) fn export(
        &self,
        series: &SeriesId,
        version: &VersionRef,
    ) -> Result<Reply<ModelFile>, ClientError> {
        let route = path(
            EndpointName::ExportModel,
            &[series.as_str(), &version.to_string()],
        );
        retry(|| self.http.json(&Call::get(&*route)))
    }

    /// Makes the model in `file` the next version of `series`. Sent once.
    pub(crate) fn import(
        &self,
        series: &SeriesId,
        file: &[u8],
    ) -> Result<Reply<ImportReply>, ClientError> {
        let route = path(EndpointName::ImportModel, &[series.as_str()]);
        self.http.json(&Call::post(route, file))
    }

    /// Deletes a version of `series`, or all of it. Sent once.
    pub(crate) fn delete(
        &self,
        series: &SeriesId,
        version: Option<&VersionRef>,
        if_match: Option<Revision>,
    ) -> Result<(), ClientError> {
        let id = series.as_str();
        let route = match version {
            Some(version) => path(EndpointName::DeleteModel, &[id, &version.to_string()]),
            None => path(EndpointName::DeleteSeries, &[id]),
        };
        let call = Call::delete(route);
        self.http
            .bytes(&call.with(IF_MATCH, tag(if_match)))
            .map(drop)
    }
}

/// `revision` as an ETag.
fn tag(revision: Option<Revision>) -> Option<String> {
    revision.map(|revision| format!("\"{revision}\""))
}
