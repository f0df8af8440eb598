//! `GET /v1/system`: what runs, how well, and how the last hour was.
//!
//! Every process that the gateway calls is asked for its figures: for a reply, which serves all who
//! ask within two seconds, and once a minute for the history. No other request pays for it.

mod history;
mod latency;

use std::{
    convert::Infallible,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{extract::Request, response::Response};
use bytes::Bytes;
use contract::{
    DependencyFigures, Endpoint, EndpointName, LoadFigures, PlatformForm, ProblemCode,
    ProcessFigures, ServiceFigures, ServiceStatus, SystemReply,
};
use futures_util::future::join_all;
use http::StatusCode;
use http_client::{Error, Upstream};
use http_server::{Fallible, ProblemReply, Query, json, read_body};
use service::{clock::now, system::Sampler};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::{
    metrics,
    proxy::{Proxy, client_of},
};
use history::{History, STEP, Sample};
use latency::Quantiles;

/// How long a reply serves all who ask.
const FRESH_FOR: Duration = Duration::from_secs(2);

/// How long a process has to give its figures.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The longest figures of a process, in bytes.
const MAX_PART_BYTES: usize = 64 * 1024;

/// More messages that wait than a service should have.
const BEHIND: u64 = 1_000;

/// What the gateway remembers of the platform.
pub(crate) struct System {
    started: Instant,
    sampler: Sampler,
    history: Mutex<History>,
    latest: tokio::sync::Mutex<Option<(Instant, SystemReply)>>,
}

impl Default for System {
    fn default() -> Self {
        Self {
            started: Instant::now(),
            sampler: Sampler::default(),
            history: Mutex::default(),
            latest: tokio::sync::Mutex::default(),
        }
    }
}

/// Shows the platform.
///
/// # Errors
/// 400 for a query.
pub(crate) async fn system(
    proxy: &Proxy,
    endpoint: &'static Endpoint,
    request: Request,
) -> Fallible<Response> {
    Query::none(request.uri().query())
        .map_err(|fault| ProblemReply::new(ProblemCode::InvalidParameter, fault.to_string()))?;
    let _permit = proxy.limits.acquire(endpoint, client_of(&request))?;
    let system = &proxy.system;
    let mut latest = system.latest.lock().await;
    let reply = match latest.take() {
        Some((at, reply)) if at.elapsed() < FRESH_FOR => (at, reply),
        _ => (Instant::now(), Platform::ask(proxy).await.reply(system)),
    };
    Ok(json(&latest.insert(reply).1))
}

impl System {
    /// Keeps the history, for ever.
    pub(crate) async fn keep_history(&self, proxy: &Proxy) -> Infallible {
        let mut minutes = interval_at(Instant::now() + STEP, STEP);
        minutes.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            minutes.tick().await;
            let sample = Platform::ask(proxy).await.sample();
            self.history().add(sample);
        }
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The figures of all services at one moment.
struct Platform {
    form: PlatformForm,
    own: ProcessFigures,
    trainer: Service,
    predictor: Service,
    observer: Service,
}

/// The figures of the processes of one service.
struct Service {
    of: usize,
    parts: Vec<ProcessFigures>,
}

impl Platform {
    async fn ask(proxy: &Proxy) -> Self {
        let (trainer, predictor, observer) = tokio::join!(
            Service::ask(&proxy.trainer),
            Service::ask(&proxy.predictor),
            Service::ask(&proxy.observer)
        );
        Self {
            form: match proxy.predictor.is_local() {
                true => PlatformForm::Standalone,
                false => PlatformForm::Distributed,
            },
            own: proxy.system.sampler.process(),
            trainer,
            predictor,
            observer,
        }
    }

    fn services(&self) -> [&Service; 3] {
        [&self.trainer, &self.predictor, &self.observer]
    }

    /// The memory of all processes: in one, each service would count all of it.
    fn memory(&self) -> u64 {
        let others = self.services().map(Service::memory);
        self.own.memory_bytes
            + match self.form {
                PlatformForm::Standalone => 0,
                PlatformForm::Distributed => others.iter().flatten().sum(),
            }
    }

    fn sample(&self) -> Sample {
        let load = self.predictor.load();
        Sample {
            at: now().0.div_euclid(1_000),
            predictions: load.map(|load| load.per_minute),
            p50_ms: load.map(|load| load.p50_ms),
            p99_ms: load.map(|load| load.p99_ms),
            lag: self.observer.lag(),
            memory: Some(self.memory()),
        }
    }

    fn reply(&self, system: &System) -> SystemReply {
        let mut history = system.history();
        if history.is_empty() {
            // Who asks first does not wait a minute for it.
            history.add(self.sample());
        }
        let gateway = self.gateway(&history);
        let figures = [
            ("predictor", &self.predictor),
            ("trainer", &self.trainer),
            ("observer", &self.observer),
        ];
        let others = figures.map(|(name, service)| service.figures(name, self.form));
        let dependencies = self.trainer.parts.iter().map(|part| &part.dependencies);
        SystemReply {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("GIT_COMMIT").map(str::to_owned),
            uptime_s: system.started.elapsed().as_secs(),
            form: self.form,
            admin_url: None,
            services: [gateway].into_iter().chain(others).collect(),
            dependencies: dependencies
                .max_by_key(|known| answering(known))
                .cloned()
                .unwrap_or_default(),
            history: history.columns(),
        }
    }

    /// The figures of this process.
    fn gateway(&self, history: &History) -> ServiceFigures {
        let latency = Quantiles::between(history.buckets_before(), &metrics::request_buckets());
        ServiceFigures {
            p50_ms: latency.map(|latency| latency.p50_ms),
            p99_ms: latency.map(|latency| latency.p99_ms),
            memory_bytes: Some(self.own.memory_bytes),
            cpu_percent: Some(self.own.cpu_percent),
            in_flight: Some(metrics::in_flight()),
            ..ServiceFigures::none(match self.form {
                PlatformForm::Standalone => "standalone",
                PlatformForm::Distributed => "gateway",
            })
        }
    }
}

/// How many of `known` answer.
fn answering(known: &[DependencyFigures]) -> usize {
    known.iter().filter(|dependency| dependency.ok).count()
}

impl Service {
    async fn ask(upstream: &Upstream) -> Self {
        let path = EndpointName::System.endpoint().path;
        let replies = upstream.call_each(path, Bytes::new(), ANSWER_WITHIN).await;
        let of = replies.len();
        let parts = join_all(replies.into_iter().map(read)).await;
        Self {
            of,
            parts: parts.into_iter().flatten().collect(),
        }
    }

    fn memory(&self) -> Option<u64> {
        let memory = self.parts.iter().map(|part| part.memory_bytes);
        (!self.parts.is_empty()).then(|| memory.sum())
    }

    /// The load, which every process knows of all.
    fn load(&self) -> Option<LoadFigures> {
        self.parts.iter().find_map(|part| part.load)
    }

    fn lag(&self) -> Option<u64> {
        self.parts.iter().map(|part| part.lag_messages).sum()
    }

    fn figures(&self, name: &str, form: PlatformForm) -> ServiceFigures {
        let up = self.parts.len();
        let load = self.load().filter(|load| load.per_minute > 0.0);
        let lag = self.lag().filter(|_| up > 0);
        let cpu = self.parts.iter().map(|part| part.cpu_percent);
        // Those of one process are told once.
        let is_own = form == PlatformForm::Distributed && up > 0;
        let (status, detail) = match lag {
            _ if up < self.of => (ServiceStatus::Down, format!("{up} of {} answer", self.of)),
            Some(lag) if lag >= BEHIND => {
                (ServiceStatus::Behind, format!("{lag} messages wait for it"))
            }
            _ => (ServiceStatus::Ok, String::new()),
        };
        ServiceFigures {
            up: up as u64,
            of: self.of as u64,
            p50_ms: load.map(|load| load.p50_ms),
            p99_ms: load.map(|load| load.p99_ms),
            memory_bytes: self.memory().filter(|_| is_own),
            cpu_percent: is_own.then(|| cpu.sum()),
            lag_messages: lag,
            status,
            detail,
            ..ServiceFigures::none(name)
        }
    }
}

/// The figures in a reply; `None` if there are none.
async fn read(reply: Result<Response, Error>) -> Option<ProcessFigures> {
    let reply = reply
        .ok()
        .filter(|reply| reply.status() == StatusCode::OK)?;
    let body = read_body(reply.into_body(), MAX_PART_BYTES).await.ok()?;
    serde_json::from_slice(&body).ok()
}
