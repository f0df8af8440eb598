//! Routes of anomalies, incidents and silences.

use contract::{
    AnomalyDetail, AnomalyId, AnomalyList, EndpointName, IncidentDetail, IncidentId, IncidentList,
    Interval, Matcher, Moment, Silence, SilenceId, SilenceList,
};
use serde::Serialize;

use super::{Client, body_of, path, with_query};
use crate::{
    args::{AddSilenceArgs, AnomalyFilter, IncidentFilter},
    http::{Call, ClientError, Reply, retry},
};

/// A silence to make.
#[derive(Serialize)]
struct NewSilence<'a> {
    matchers: &'a [Matcher],
    #[serde(skip_serializing_if = "Option::is_none")]
    starts_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<Moment>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    intervals: &'a [Interval],
    comment: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<&'a str>,
}

impl Client {
    /// The anomalies that `filter` asks for.
    pub(crate) fn anomalies(
        &self,
        filter: &AnomalyFilter,
    ) -> Result<Reply<AnomalyList>, ClientError> {
        let label = filter.label.as_ref();
        let route = with_query(
            &path(EndpointName::ListAnomalies, &[]),
            &[
                ("since", filter.since.map(|at| at.to_string())),
                ("until", filter.until.map(|at| at.to_string())),
                ("from", filter.from.map(|at| at.to_string())),
                ("to", filter.to.map(|at| at.to_string())),
                ("series", filter.series.as_ref().map(|id| id.to_string())),
                ("prefix", filter.prefix.clone()),
                (
                    "label",
                    label.map(|(name, value)| format!("{name}={value}")),
                ),
                ("kind", filter.kind.map(|kind| kind.to_string())),
                (
                    "severity",
                    filter.severity.map(|severity| severity.to_string()),
                ),
                ("status", filter.status.map(|status| status.to_string())),
                ("order", filter.strongest.then(|| "ratio".to_owned())),
                ("limit", Some(filter.page.limit.to_string())),
                ("after", filter.page.after.clone()),
            ],
        );
        retry(|| self.http.json(&Call::get(&*route)))
    }

    /// An anomaly.
    pub(crate) fn anomaly(&self, id: AnomalyId) -> Result<Reply<AnomalyDetail>, ClientError> {
        let route = path(EndpointName::ShowAnomaly, &[&id.to_string()]);
        retry(|| self.http.json(&Call::get(&*route)))
    }

    /// The incidents that `filter` asks for.
    pub(crate) fn incidents(
        &self,
        filter: &IncidentFilter,
    ) -> Result<Reply<IncidentList>, ClientError> {
        let route = with_query(
            &path(EndpointName::ListIncidents, &[]),
            &[
                ("status", filter.status.map(|status| status.to_string())),
                ("limit", Some(filter.page.limit.to_string())),
                ("after", filter.page.after.clone()),
            ],
        );
        retry(|| self.http.json(&Call::get(&*route)))
    }

    /// An incident.
    pub(crate) fn incident(&self, id: IncidentId) -> Result<Reply<IncidentDetail>, ClientError> {
        let route = path(EndpointName::ShowIncident, &[&id.to_string()]);
        retry(|| self.http.json(&Call::get(&*route)))
    }

    /// All silences.
    pub(crate) fn silences(&self) -> Result<Reply<SilenceList>, ClientError> {
        let route = path(EndpointName::ListSilences, &[]);
        retry(|| self.http.json(&Call::get(&*route)))
    }

    /// Makes a silence. Sent once: another try could make a second one.
    pub(crate) fn add_silence(&self, args: &AddSilenceArgs) -> Result<Reply<Silence>, ClientError> {
        let body = body_of(&NewSilence {
            matchers: &args.matchers,
            starts_at: args.starts_at,
            ends_at: args.ends_at,
            intervals: &args.intervals,
            comment: &args.comment,
            created_by: args.created_by.as_deref(),
        });
        let route = path(EndpointName::CreateSilence, &[]);
        self.http.json(&Call::post(route, &body))
    }

    /// Removes a silence. Sent once.
    pub(crate) fn delete_silence(&self, id: SilenceId) -> Result<(), ClientError> {
        let route = path(EndpointName::DeleteSilence, &[&id.to_string()]);
        self.http.bytes(&Call::delete(route)).map(drop)
    }
}
