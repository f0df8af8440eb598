//! The topic `anomalies`.

use std::time::Duration;

use contract::{AnomalyEvent, AnomalyEventKind};
use notifier::Settings;
use tokio_util::sync::CancellationToken;

use crate::platform::{Platform, after, anomaly, closed, opened};

#[tokio::test]
async fn programs_read_every_event_once_in_order() {
    let platform = Platform::start().await;
    let mut events = platform.bus.tail::<AnomalyEvent>().unwrap();
    let found = anomaly("s", 1);
    platform.commit(vec![opened(&found), closed(&found)]).await;
    let notifier = platform.notifier(&Settings::default());
    assert_eq!(notifier.tell_programs(after(60_000)).await.unwrap(), 2);
    assert_eq!(notifier.tell_programs(after(600_000)).await.unwrap(), 0);

    let mut read = Vec::new();
    while read.len() < 2 {
        let batch = events
            .next_batch(10, Duration::from_millis(1))
            .await
            .unwrap();
        read.extend(batch.into_iter().map(|message| message.event.unwrap()));
    }
    let kinds: Vec<_> = read.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [AnomalyEventKind::Opened, AnomalyEventKind::Closed]);
    assert_eq!(read[0].anomaly.anomaly_id, found.anomaly_id);
    assert!(read[0].anomaly.incident_id.is_some());
    assert_ne!(read[0].event_id, read[1].event_id);
}

#[tokio::test]
async fn a_notifier_that_serves_tells_and_ends_when_asked_to() {
    let platform = Platform::start().await;
    let mut events = platform.bus.tail::<AnomalyEvent>().unwrap();
    platform.commit(vec![opened(&anomaly("s", 1))]).await;
    let shutdown = CancellationToken::new();
    let notifier = platform.notifier(&Settings::default());
    let read = async {
        let batch = events
            .next_batch(1, Duration::from_millis(1))
            .await
            .unwrap();
        shutdown.cancel();
        batch.len()
    };
    let (served, read) = tokio::join!(notifier.serve(shutdown.clone()), read);
    served.unwrap();
    assert_eq!(read, 1);
}

#[tokio::test]
async fn anomalies_are_kept_for_as_long_as_the_setting_says() {
    let platform = Platform::start().await;
    let over = anomaly("s", 1);
    platform.commit(vec![opened(&over), closed(&over)]).await;
    let keeping = |keep_anomalies_days| {
        platform.notifier(&Settings {
            keep_anomalies_days,
            ..Settings::default()
        })
    };
    let day = 86_400_000;
    for (days, ms, gone) in [
        (0, day * 1_000, 0),
        (2, day * 2 + 60_000, 0),
        (2, day * 2 + 60_001, 1),
    ] {
        let forgotten = keeping(days).forget_old(after(ms)).await.unwrap();
        assert_eq!(forgotten, gone, "{days} {ms}");
    }
    assert!(
        platform
            .store
            .anomaly(over.anomaly_id)
            .await
            .unwrap()
            .is_none()
    );
}
