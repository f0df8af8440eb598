//! Events of anomalies for programs, on the topic `anomalies`.

use contract::{AnomalyEvent, Event, Moment};
use futures_util::future::try_join_all;
use service::{health::chain, retry::retry_forever};
use store::{Notification, StoreError};
use trace::{Kind, Span};

use crate::{
    Teller,
    metrics::{self, DEAD, SENT, TOPIC},
};

/// The most events that are published together.
const MAX_EVENTS: i64 = 256;

impl Teller {
    /// Publishes the events that are due at `now`, waiting for a bus that is down. Returns how many
    /// there were.
    pub(crate) async fn tell_programs(&self, now: Moment) -> Result<usize, StoreError> {
        let due = self.store.due_notifications(&[TOPIC], now, MAX_EVENTS);
        let due = due.await?;
        if due.is_empty() {
            return Ok(0);
        }
        if self.publish(&due).await.is_ok() {
            try_join_all(due.iter().map(|n| self.published(n))).await?;
        } else {
            // One of them is refused for good. It is found by sending each separately.
            for notification in &due {
                match self.publish(std::slice::from_ref(notification)).await {
                    Ok(()) => self.published(notification).await?,
                    Err(reason) => self.pass_over(notification, &reason).await?,
                }
            }
        }
        self.changed.notify_one();
        Ok(due.len())
    }

    async fn published(&self, notification: &Notification) -> Result<(), StoreError> {
        self.store.notification_sent(&notification.event_id).await?;
        metrics::count(TOPIC, SENT);
        Ok(())
    }

    async fn pass_over(&self, notification: &Notification, error: &str) -> Result<(), StoreError> {
        let id = &notification.event_id;
        tracing::error!(%id, error, "an event of an anomaly cannot be published and is passed over");
        metrics::count(TOPIC, DEAD);
        self.store.notification_failed(id, error, None).await
    }

    /// Publishes all of `due`, in their order.
    ///
    /// # Errors
    /// When one of them can never be published.
    async fn publish(&self, due: &[Notification]) -> Result<(), String> {
        let read = |n: &Notification| serde_json::from_str::<AnomalyEvent>(&n.payload);
        let events = due.iter().map(read).collect::<Result<Vec<_>, _>>();
        let events = events.map_err(|error| error.to_string())?;
        let traces = events.iter().filter_map(Event::traceparent);
        let name = || format!("send {}", AnomalyEvent::TOPIC.name);
        let _spans: Vec<Span> = traces
            .map(|trace| Span::start(Kind::Producer, name, Some(trace)))
            .collect();
        retry_forever("publishing events of anomalies", || async {
            match self.bus.publish(events.iter().cloned(), None).await {
                Err(error) if error.is_permanent() => Ok(Err(chain(error))),
                published => published.map(Ok),
            }
        })
        .await
    }
}
