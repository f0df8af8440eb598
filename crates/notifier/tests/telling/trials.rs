//! Tests of the channels.

use std::time::Duration;

use contract::{
    AnomalyEvent, AnomalyEventKind, IncidentEventKind, IncidentNotification, Severity, TestStatus,
};
use notifier::Settings;
use serde_json::Value;

use crate::{
    platform::{Platform, after},
    sink::Sink,
};

/// Tells a test to all that `settings` name, for as long as anything is due. Returns the test.
async fn try_out(platform: &Platform, settings: &Settings) -> AnomalyEvent {
    let notifier = platform.notifier(settings);
    let test = AnomalyEvent::test("test-1".to_owned(), 1, after(0));
    platform.store.put_alert_test(&test).await.unwrap();
    for ms in [0, 1_000, 100_000_000] {
        while notifier.tell_people(after(ms)).await.unwrap() > 0 {}
        notifier.tell_programs(after(ms)).await.unwrap();
    }
    test
}

/// What became of it, channel by channel.
async fn outcome(platform: &Platform) -> Vec<(String, TestStatus, Option<String>)> {
    let outcome = platform.store.alert_test("test-1").await.unwrap();
    let channels = outcome.unwrap().into_iter();
    channels.map(|c| (c.channel, c.status, c.error)).collect()
}

fn sent(channel: &str) -> (String, TestStatus, Option<String>) {
    (channel.to_owned(), TestStatus::Sent, None)
}

fn failed(channel: &str, error: &str) -> (String, TestStatus, Option<String>) {
    let error = Some(error.to_owned());
    (channel.to_owned(), TestStatus::Failed, error)
}

#[tokio::test]
async fn a_test_is_told_to_programs_and_people() {
    let platform = Platform::start().await;
    let mut events = platform.bus.tail::<AnomalyEvent>().unwrap();
    let sink = Sink::start(&[]).await;
    let settings = Settings {
        // Whatever is told otherwise.
        alert_min_severity: Severity::Critical,
        ..platform.webhook(&format!("http://{}/hook", sink.addr))
    };
    let test = try_out(&platform, &settings).await;
    let told = sink.take();
    assert_eq!(told.len(), 1);
    let message: IncidentNotification = serde_json::from_str(&told[0].body).unwrap();
    assert_eq!(message.kind, IncidentEventKind::Test);
    assert_eq!(message.data.anomalies, std::slice::from_ref(&test.anomaly));
    assert_eq!(told[0].headers["webhook-id"], "test-1-webhook");
    let read = events.next_batch(9, Duration::from_millis(1)).await;
    let read = read.unwrap();
    assert_eq!(read.len(), 1);
    let event = read[0].event.as_ref().unwrap();
    let expected = (AnomalyEventKind::Test, &test.anomaly);
    assert_eq!((event.kind, &event.anomaly), expected);
    assert_eq!(outcome(&platform).await, [sent("topic"), sent("webhook")]);
}

#[tokio::test]
async fn a_test_that_is_not_accepted_is_not_told_again() {
    let platform = Platform::start().await;
    let slack = Sink::start(&["500 Oh"]).await;
    let (one, two) = (Sink::start(&[]).await, Sink::start(&["503 No"]).await);
    let settings = Settings {
        alertmanager_url: [&one, &two].map(|am| format!("http://{}", am.addr)).into(),
        ..platform.slack(&format!("http://{}/T0/hunter2", slack.addr))
    };
    try_out(&platform, &settings).await;
    let told = slack.take();
    assert_eq!(told.len(), 1);
    let text = &told[0].body;
    assert!(text.starts_with(r#"{"text":"*Test: test* (low"#), "{text}");
    for alertmanager in [one, two] {
        let told = alertmanager.take();
        assert_eq!(told.len(), 1);
        let alerts: Value = serde_json::from_str(&told[0].body).unwrap();
        assert_eq!(alerts[0]["labels"]["alertname"], "AnomalyTest");
    }
    let expected = [
        failed("alertmanager", "127.0.0.1: it answers 503"),
        failed("slack", "it answers 500"),
        sent("topic"),
    ];
    assert_eq!(outcome(&platform).await, expected);
}
