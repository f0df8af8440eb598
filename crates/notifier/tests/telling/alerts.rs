//! Alertmanagers.

use contract::{Anomaly, AnomalyKind};
use notifier::Settings;
use serde_json::Value;

use crate::{
    platform::{Platform, after, anomaly, closed, opened},
    sink::Sink,
};

/// The alerts in the one request that has come.
fn alerts(sink: &Sink) -> Vec<Value> {
    let told = sink.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].path, "/am/api/v2/alerts");
    serde_json::from_str(&told[0].body).unwrap()
}

#[tokio::test]
async fn all_open_anomalies_are_told_to_each_every_time() {
    let platform = Platform::start().await;
    let (one, two) = (Sink::start(&["500 Oh"]).await, Sink::start(&[]).await);
    let urls = [&one, &two].map(|sink| format!("http://{}/am/", sink.addr));
    let notifier = platform.notifier(&Settings {
        alertmanager_url: urls.to_vec(),
        ..Settings::default()
    });
    let over = anomaly("s", 1);
    let silent = Anomaly {
        kind: AnomalyKind::Missing,
        labels: [
            ("1a.b".to_owned(), "x".to_owned()),
            ("series".to_owned(), "y".to_owned()),
        ]
        .into(),
        ..anomaly("t", 2)
    };
    platform
        .commit(vec![opened(&over), closed(&over), opened(&silent)])
        .await;
    for _ in 0..2 {
        notifier.tell_alertmanagers(after(120_000)).await.unwrap();
        assert_eq!(alerts(&one), alerts(&two));
    }
    notifier.tell_alertmanagers(after(120_000)).await.unwrap();
    let told = alerts(&one);
    let label = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap().to_owned();
    assert_eq!(told.len(), 2);
    let [ended, open] = ["Anomaly", "SeriesSilent"].map(|name| {
        told.iter()
            .find(|alert| label(alert, "alertname") == name)
            .unwrap()
    });
    assert_eq!(label(ended, "host"), "db1");
    assert_eq!(
        (label(open, "series"), label(open, "_1a_b")),
        ("t".to_owned(), "x".to_owned())
    );
    assert_eq!(ended["startsAt"], after(0).to_string());
    assert_eq!(ended["endsAt"], after(60_000).to_string());
    assert_eq!(open["endsAt"], after(240_000).to_string());
    assert_eq!(ended["annotations"]["value"], "22.5");

    // The end is told for a quarter of an hour; what is open, for ever.
    two.take();
    notifier
        .tell_alertmanagers(after(20 * 60_000))
        .await
        .unwrap();
    let told = alerts(&two);
    assert_eq!(told.len(), 1);
    assert_eq!(label(&told[0], "series"), "t");
}

#[tokio::test]
async fn an_open_anomaly_goes_before_one_of_its_labels_that_is_over() {
    let platform = Platform::start().await;
    let sink = Sink::start(&[]).await;
    let notifier = platform.notifier(&Settings {
        alertmanager_url: vec![format!("http://{}/am", sink.addr)],
        ..Settings::default()
    });
    let over = anomaly("s", 1);
    let open = Anomaly {
        opened_at: after(90_000),
        ..anomaly("s", 2)
    };
    platform
        .commit(vec![opened(&over), closed(&over), opened(&open)])
        .await;
    notifier.tell_alertmanagers(after(120_000)).await.unwrap();
    let told = alerts(&sink);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["startsAt"], after(90_000).to_string());
    assert_eq!(told[0]["endsAt"], after(240_000).to_string());
}
