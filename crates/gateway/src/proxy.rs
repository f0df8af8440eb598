//! Passes requests on: takes a permit for each, asks the service that owns the call, and gives an
//! honest reply when that gives none.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use contract::{
    Endpoint, EndpointName, POINT_PARTITIONS, Revision, SeriesId,
    endpoint::{self, Owner, RevisionRule, Routing, Subject},
    partition_of,
};
use http::{HeaderName, HeaderValue, StatusCode};
use http_client::{Call, FastOutcome, PipelinedOutcome, RequestHead, Upload, Upstream};
use http_server::{ClientAddress, Fallible, Fast, FastRequest, Later};
use service::series::{decode_series, decode_series_text};

use crate::{
    AllowedOrigins, Backends, Settings,
    access::{Access, Caller},
    arrival::{Arrivals, Charge},
    events::Events,
    exceptional::{Described, Exceptional, log_fast},
    failure::{known, no_reply},
    limits::Limits,
    metrics::Measured,
    revisions::RevisionTracker,
    session::Sessions,
    system::System,
};

/// The revision of a series after a change, in the trainer's replies.
const SERIES_REVISION: HeaderName = HeaderName::from_static(contract::header::SERIES_REVISION);

static PREDICT: &Endpoint = EndpointName::Predict.endpoint();

/// The state that the gateway's handlers share.
pub(crate) struct Proxy {
    pub(crate) access: Access,
    pub(crate) trainer: Upstream,
    pub(crate) predictor: Upstream,
    pub(crate) observer: Upstream,
    pub(crate) limits: Limits,
    arrivals: Arrivals,
    settings: Settings,
    revisions: RevisionTracker,
    pub(crate) exceptional: Exceptional,
    pub(crate) system: System,
    pub(crate) events: Events,
    pub(crate) sessions: Sessions,
}

impl Proxy {
    pub(crate) fn new(settings: Settings, access: Access, backends: Backends) -> Self {
        let Backends {
            trainer,
            predictor,
            observer,
        } = backends;
        Self {
            access,
            trainer,
            predictor,
            observer,
            limits: Limits::new(&settings),
            arrivals: Arrivals::default(),
            exceptional: Exceptional::new(settings.slow_request_ms),
            settings,
            revisions: RevisionTracker::new(),
            system: System::default(),
            events: Events::default(),
            sessions: Sessions::default(),
        }
    }

    /// Whether browsers get the dashboard.
    pub(crate) fn has_dashboard(&self) -> bool {
        self.settings.dashboard
    }

    /// Passes a request of `caller` for `endpoint` on, as its row says, and returns the reply of its
    /// owner. A new revision is noted before the client hears of it.
    ///
    /// # Errors
    /// A refusal, or the lack of a reply.
    pub(crate) async fn forward(
        &self,
        endpoint: &'static Endpoint,
        request: Request,
        caller: &Caller,
    ) -> Fallible<Response> {
        let client = client_of(&request);
        let (parts, body) = request.into_parts();
        let series = endpoint.series_in(parts.uri.path());
        let series = series.map(decode_series).transpose()?;
        let prefixes = match endpoint.subject {
            Subject::All => caller.prefixes(),
            _ => None,
        };
        let call = self.call(endpoint, series.as_ref(), prefixes, parts, body);
        let call = call.await?;
        let permit = self.limits.acquire(endpoint, client)?.with(caller.works());
        let response = self.ask(endpoint.owner, call).await?;
        if let (RevisionRule::Note, Some(series)) = (endpoint.revision, series) {
            self.note(series, &response);
        }
        Ok(permit.retain_until_sent(response))
    }

    /// The call that a request for `endpoint` becomes, once its body is there or has begun well.
    async fn call(
        &self,
        endpoint: &Endpoint,
        series: Option<&SeriesId>,
        prefixes: Option<HeaderValue>,
        parts: Parts,
        body: Body,
    ) -> Fallible<Call> {
        let newest = match (endpoint.revision, series) {
            (RevisionRule::Require, Some(series)) => self.revisions.newest(series.as_str()),
            _ => None,
        };
        let head = RequestHead::of(parts)
            .with_min_revision(newest)
            .with_series_prefixes(prefixes);
        let timeout = self.timeout(endpoint);
        let call = match endpoint.body {
            endpoint::Body::Empty => Call::whole(head, Bytes::new(), timeout),
            endpoint::Body::Whole { max } => {
                Call::whole(head, self.arrivals.whole(body, max).await?.0, timeout)
            }
            endpoint::Body::Streamed { max } => {
                let limit = self.settings.max_body_bytes;
                let max = max.map_or(limit, |max| limit.min(max as u64));
                // One that declares too much is refused before any of it is asked for.
                let crowding = self.limits.of(endpoint.class).crowding();
                let body = match body.size_hint().lower() > max {
                    true => body,
                    false => self.arrivals.begun(body, max, crowding).await?,
                };
                Call::streamed(head, Upload::new(body, max)?, timeout)
            }
        };
        Ok(match (endpoint.routing, series) {
            (Routing::ByPartition, Some(series)) => {
                call.by_partition(partition_of(series, POINT_PARTITIONS))
            }
            _ => call,
        })
    }

    /// Passes a prediction on. It differs from other calls in that it shares a connection, and in
    /// that the predictor uses none of the client's headers.
    pub(crate) async fn predict(&self, request: Request) -> Fallible<Response> {
        let (call, _charge) = self.prediction(request).await?;
        // As on the fast path, clients have no shares: predictions take no time.
        let _permit = self.limits.acquire(PREDICT, None)?;
        self.ask(Owner::Predictor, call.pipelined()).await
    }

    /// Passes a prediction on from the fast path.
    pub(crate) fn predict_fast(
        proxy: &Arc<Self>,
        request: &FastRequest<'_>,
        reply: &mut Vec<u8>,
    ) -> Fast {
        let Ok(series) = decode_series_text(request.segment) else {
            return Fast::Fallthrough;
        };
        let Some(permit) = proxy.limits.of(PREDICT.class).try_acquire() else {
            return Fast::Fallthrough;
        };
        let since = Instant::now();
        if !proxy.access.admit_fast(request, PREDICT, &series, since) {
            return Fast::Fallthrough;
        }
        let measured = Measured::since(PREDICT, since);
        let newest = proxy.revisions.newest(&series);
        let timeout = proxy.timeout(PREDICT);
        match proxy.predictor.ask_fast(request, newest, timeout, reply) {
            FastOutcome::Fallthrough => {
                proxy.access.give_back(request);
                Fast::Fallthrough
            }
            FastOutcome::Replied => {
                let took = measured.answered(StatusCode::OK);
                if proxy.exceptional.includes(StatusCode::OK, took) {
                    log_fast(PREDICT, request, &series, took);
                }
                Fast::Replied
            }
            FastOutcome::Later(reply) => {
                let proxy = Arc::clone(proxy);
                Fast::Later(Box::pin(async move {
                    match reply.await {
                        Ok(body) => {
                            let took = measured.answered(StatusCode::OK);
                            drop(permit);
                            proxy.exceptional.replied(PREDICT, body, took)
                        }
                        Err(outcome) => Later::Fallback(Box::new(move |request| {
                            Box::pin(async move {
                                let described = Described::of(PREDICT, &request);
                                let response = proxy.predict_after(outcome, request).await;
                                let response = response.unwrap_or_else(IntoResponse::into_response);
                                let took = measured.answered(response.status());
                                drop(permit);
                                if proxy.exceptional.includes(response.status(), took) {
                                    described.log(response.status(), took);
                                }
                                response
                            })
                        })),
                    }
                }))
            }
        }
    }

    /// Passes a prediction on after the fast path has had this `outcome`.
    async fn predict_after(
        &self,
        outcome: PipelinedOutcome,
        request: Request,
    ) -> Fallible<Response> {
        let (call, _charge) = self.prediction(request).await?;
        let response = self.predictor.ask_after(outcome, call).await;
        known(
            "predictor",
            response.map_err(|error| no_reply("predictor", error))?,
        )
    }

    /// The call that a prediction becomes, and what its body takes of the memory for bodies.
    async fn prediction(&self, request: Request) -> Fallible<(Call, Charge)> {
        const MAX_BODY: usize = EndpointName::Predict.endpoint().body.max();
        let (parts, body) = request.into_parts();
        let series = PREDICT.series_in(parts.uri.path()).unwrap_or_default();
        let newest = self.revisions.newest(&decode_series_text(series)?);
        let (body, charge) = self.arrivals.whole(body, MAX_BODY).await?;
        let head = RequestHead::of(parts).bare().with_min_revision(newest);
        Ok((Call::whole(head, body, self.timeout(PREDICT)), charge))
    }

    /// The origins whose web pages may call the API.
    pub(crate) fn allowed_origins(&self) -> &AllowedOrigins {
        &self.settings.cors_allowed_origins
    }

    /// How long a service may take for a call to `endpoint`.
    pub(crate) fn timeout(&self, endpoint: &Endpoint) -> Duration {
        self.settings.timeout(endpoint.class)
    }

    async fn ask(&self, owner: Owner, call: Call) -> Fallible<Response> {
        let (name, service) = match owner {
            Owner::Trainer => ("trainer", &self.trainer),
            Owner::Predictor => ("predictor", &self.predictor),
            Owner::Observer => ("observer", &self.observer),
            Owner::Gateway => unreachable!("the gateway does not ask itself"),
        };
        let response = service.call(call).await;
        known(name, response.map_err(|error| no_reply(name, error))?)
    }

    /// Notes the revision of `series` that `response` carries, if it is a success.
    fn note(&self, series: SeriesId, response: &Response) {
        if response.status().is_success()
            && let Some(revision) = revision_of(response)
        {
            self.revisions.note(series, revision);
        }
    }
}

/// The address of the client.
pub(crate) fn client_of(request: &Request) -> Option<IpAddr> {
    let address = request.extensions().get::<ClientAddress>();
    address.map(|ClientAddress(address)| *address)
}

fn revision_of(response: &Response) -> Option<Revision> {
    let value = response.headers().get(SERIES_REVISION)?;
    value.to_str().ok()?.parse().ok()
}
