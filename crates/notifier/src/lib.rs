//! Tells people and programs of anomalies.
//!
//! The outbox of the store holds the events to tell, put there by the commit that found them.
//! A notifier takes what is due, sends it and notes that; one that dies in between is followed by
//! another, which sends it again under the same id. So everything is told at least once, and any
//! number of notifiers share the work. Alertmanagers are told by state instead: all open anomalies,
//! every half minute and whenever something happens.

mod alertmanager;
mod channels;
mod config;
mod http;
mod metrics;
mod people;
mod programs;
mod schedule;
mod silences;
mod trial;

use std::{
    pin::pin,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use anyhow::Context;
use bus::Bus;
pub use config::{Config, Settings};
use contract::Moment;
use service::{
    admin::Admin,
    clock::now,
    health::{Health, Need, chain},
    retry::retry_forever,
};
use store::{Store, StoreError};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{channels::Channels, http::Client, silences::Silences};

/// How often the outbox is looked at for events for programs while there are none.
const PROGRAMS_EVERY: Duration = Duration::from_millis(500);
/// The same for people.
const PEOPLE_EVERY: Duration = Duration::from_secs(1);
/// How often Alertmanagers are told while nothing happens.
const ALERTMANAGERS_EVERY: Duration = Duration::from_secs(30);
/// How often they are told at most.
const ALERTMANAGERS_AT_MOST: Duration = Duration::from_secs(1);
/// How often old anomalies are removed.
const FORGET_EVERY: Duration = Duration::from_secs(3_600);
/// The milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// How long what is in flight may take when the service stops.
const FINISH_WITHIN: Duration = Duration::from_secs(3);
/// How long a dependency may take to answer a health check.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// The backends of a notifier. Cheap to clone.
#[derive(Clone)]
pub struct Backends {
    /// Takes the events for programs.
    pub bus: Bus,
    /// Keeps what is to be told.
    pub store: Store,
}

/// The service that tells of anomalies.
pub struct Notifier(Teller);

/// What telling needs.
struct Teller {
    bus: Bus,
    store: Store,
    client: Client,
    channels: Channels,
    /// The silences that were read last.
    silences: Mutex<Arc<Silences>>,
    /// Anomalies have changed.
    changed: Notify,
    /// How long anomalies that are over are kept. `None`: for ever.
    keep_ms: Option<i64>,
    /// Whether each Alertmanager failed last time.
    fails: Vec<AtomicBool>,
}

/// Runs the notifier over Kafka and Postgres until `shutdown` is cancelled.
///
/// # Errors
/// When the configuration is not valid or the port cannot be bound. Not when a backend is down.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let backends = Backends {
        bus: Bus::kafka(&config.kafka)?,
        store: Store::postgres(&config.postgres)?,
    };
    let store = backends.store.clone();
    let notifier = Notifier::new(&config.settings, backends)?;
    let addr = config.listen.admin_addr();
    let admin = Admin::bind(addr, notifier.health(&shutdown)).await?;
    tracing::info!(admin = %admin.addr(), "listening");

    let served = admin.serve_beside(notifier.serve(shutdown)).await;
    store.close().await;
    served
}

impl Notifier {
    /// A notifier that tells nobody yet.
    ///
    /// # Errors
    /// When an address or a secret in `settings` cannot be used.
    pub fn new(settings: &Settings, backends: Backends) -> anyhow::Result<Self> {
        metrics::register();
        let channels = Channels::load(settings)?;
        let fails = channels
            .alertmanagers
            .iter()
            .map(|_| AtomicBool::new(false));
        Ok(Self(Teller {
            bus: backends.bus,
            store: backends.store,
            client: match channels.are_called() {
                true => Client::new(),
                false => Client::trusting(Vec::new()),
            }
            .context("setting up TLS")?,
            silences: Mutex::default(),
            changed: Notify::new(),
            keep_ms: match settings.keep_anomalies_days {
                0 => None,
                days => Some(i64::from(days) * DAY_MS),
            },
            fails: fails.collect(),
            channels,
        }))
    }

    /// Ready while the store answers, until `shutdown` is cancelled. Without the bus people are
    /// told, and programs when it is back.
    pub fn health(&self, shutdown: &CancellationToken) -> Health {
        let (bus, store) = (self.0.bus.clone(), self.0.store.clone());
        let names = [store.name(), "tables"];
        Health::new(shutdown.clone())
            .with_contents(
                names,
                ANSWER_WITHIN,
                move || {
                    let store = store.clone();
                    async move { store.ping().await }
                },
                StoreError::is_about_tables,
            )
            .with(bus.name(), Need::Optional, ANSWER_WITHIN, move || {
                let bus = bus.clone();
                async move { bus.ping(ANSWER_WITHIN).await.map_err(chain) }
            })
    }

    /// Sends people at most sixteen of the notifications that are due at `now`, and notes what
    /// became of them. Returns how many there were.
    ///
    /// # Errors
    /// When the store does not answer. Some may have been sent, and may be sent again.
    pub async fn tell_people(&self, now: Moment) -> Result<usize, StoreError> {
        self.0.tell_people(now).await
    }

    /// Publishes at most 256 of the events that are due at `now` for programs. Waits for a bus that
    /// is down. Returns how many there were.
    ///
    /// # Errors
    /// As [`Self::tell_people`].
    pub async fn tell_programs(&self, now: Moment) -> Result<usize, StoreError> {
        self.0.tell_programs(now).await
    }

    /// Tells every Alertmanager all open anomalies.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn tell_alertmanagers(&self, now: Moment) -> Result<(), StoreError> {
        self.0.tell_alertmanagers(now).await
    }

    /// Removes the anomalies that are not kept any longer, and what was told of them. Returns their
    /// number.
    ///
    /// # Errors
    /// When the store does not answer. Some may have been removed.
    pub async fn forget_old(&self, now: Moment) -> Result<u64, StoreError> {
        self.0.forget_old(now).await
    }

    /// Tells what is due until `shutdown` is cancelled. Then it gives what is in flight three
    /// seconds.
    ///
    /// # Errors
    /// Never at present.
    pub async fn serve(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let teller = &self.0;
        let people = teller.people(&shutdown);
        let programs = teller.programs(&shutdown);
        let alertmanagers = teller.alertmanagers(&shutdown);
        let forgetting = teller.forgetting(&shutdown);
        let all = async { tokio::join!(people, programs, alertmanagers, forgetting) };
        let mut long_stopped = pin!(async {
            shutdown.cancelled().await;
            sleep(FINISH_WITHIN).await;
        });
        tokio::select! {
            _ = all => {}
            () = &mut long_stopped => {}
        }
        Ok(())
    }
}

impl Teller {
    async fn people(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            let tell = || self.tell_people(now());
            let told = retry_forever("telling people of incidents", tell).await;
            if told == 0 {
                shutdown.run_until_cancelled(sleep(PEOPLE_EVERY)).await;
            }
        }
    }

    async fn programs(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            let tell = || self.tell_programs(now());
            let told = retry_forever("telling programs of anomalies", tell).await;
            if told == 0 {
                shutdown.run_until_cancelled(sleep(PROGRAMS_EVERY)).await;
            }
        }
    }

    async fn alertmanagers(&self, shutdown: &CancellationToken) {
        if self.channels.alertmanagers.is_empty() {
            return;
        }
        while !shutdown.is_cancelled() {
            let tell = || self.tell_alertmanagers(now());
            retry_forever("telling Alertmanagers of anomalies", tell).await;
            let pause = async {
                sleep(ALERTMANAGERS_AT_MOST).await;
                tokio::select! {
                    () = self.changed.notified() => {}
                    () = sleep(ALERTMANAGERS_EVERY - ALERTMANAGERS_AT_MOST) => {}
                }
            };
            shutdown.run_until_cancelled(pause).await;
        }
    }

    async fn forgetting(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            let forget = || self.forget_old(now());
            let forgetting = retry_forever("removing old anomalies", forget);
            shutdown.run_until_cancelled(forgetting).await;
            shutdown.run_until_cancelled(sleep(FORGET_EVERY)).await;
        }
    }

    async fn forget_old(&self, now: Moment) -> Result<u64, StoreError> {
        match self.keep_ms {
            Some(keep) => {
                let before = Moment(now.0.saturating_sub(keep));
                self.store.forget_old_anomalies(before).await
            }
            None => Ok(0),
        }
    }

    /// The silences that there are.
    async fn silences(&self) -> Result<Arc<Silences>, StoreError> {
        let stored = self.store.silences().await?;
        let mut last = self.silences.lock().unwrap_or_else(PoisonError::into_inner);
        if !last.is_of(&stored) {
            *last = Arc::new(Silences::new(stored));
        }
        Ok(Arc::clone(&last))
    }
}
