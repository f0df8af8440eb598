//! Webhooks and Slack.

use base64::{Engine, prelude::BASE64_STANDARD};
use contract::{
    Anomaly, IncidentEventKind, IncidentNotification, Moment, Severity, Silence, SilenceRequest,
};
use notifier::Settings;
use ring::hmac;

use crate::{
    platform::{Platform, SECRET, after, anomaly, closed, opened},
    sink::{Received, Sink},
};

/// Whether the request is signed as Standard Webhooks asks for.
fn is_signed(request: &Received) -> bool {
    let key = BASE64_STANDARD.decode(&SECRET["whsec_".len()..]).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let header = |name: &str| request.headers[name].as_str();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let signed = format!("{id}.{timestamp}.{}", request.body);
    let signature = header("webhook-signature").strip_prefix("v1,").unwrap();
    let signature = BASE64_STANDARD.decode(signature).unwrap();
    hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
}

fn body(request: &Received) -> IncidentNotification {
    serde_json::from_str(&request.body).unwrap()
}

/// A platform with one open anomaly, and a sink with these replies.
async fn found(replies: &[&'static str]) -> (Platform, Sink, Settings) {
    let platform = Platform::start().await;
    let sink = Sink::start(replies).await;
    platform.commit(vec![opened(&anomaly("s", 1))]).await;
    let settings = platform.webhook(&format!("http://{}/hook?a=1", sink.addr));
    (platform, sink, settings)
}

#[tokio::test]
async fn a_webhook_is_told_each_event_once_with_a_valid_signature() {
    let (platform, sink, settings) = found(&[]).await;
    let notifier = platform.notifier(&settings);
    // What comes together is told together.
    assert_eq!(notifier.tell_people(after(9_999)).await.unwrap(), 0);
    let worse = Anomaly {
        severity: Severity::High,
        ..anomaly("s", 2)
    };
    platform.commit(vec![opened(&worse)]).await;
    while notifier.tell_people(after(10_000)).await.unwrap() > 0 {}
    let told = sink.take();
    let opened = told
        .iter()
        .find(|r| body(r).kind == IncidentEventKind::Opened);
    let opened = opened.unwrap();
    assert!(told.iter().all(is_signed), "{told:?}");
    assert_eq!(opened.path, "/hook?a=1");
    assert_eq!(opened.headers["webhook-timestamp"], "1700000010");
    let message = body(opened);
    assert_eq!(message.timestamp, after(0));
    // As it is when it is told.
    assert_eq!((message.data.count, &*message.data.group), (2, "s"));
    assert_eq!(message.data.severity, Severity::High);
    assert_eq!(message.data.anomalies[0].anomaly_id, worse.anomaly_id);

    let both = [anomaly("s", 1), worse];
    platform.commit(both.iter().map(closed).collect()).await;
    for ms in [60_000, 61_000, 400_000] {
        while notifier.tell_people(after(ms)).await.unwrap() > 0 {}
    }
    let told = sink.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(body(&told[0]).kind, IncidentEventKind::Resolved);
    assert_ne!(told[0].headers["webhook-id"], opened.headers["webhook-id"]);
}

#[tokio::test]
async fn a_webhook_that_fails_is_told_again_under_the_same_id() {
    let (platform, sink, settings) = found(&[
        "500 Oh",
        "302 Found\r\nlocation: /other",
        "429 Slow\r\nretry-after: 3600",
    ])
    .await;
    let notifier = platform.notifier(&settings);
    let mut ids = Vec::new();
    // At once, after 5 s, after 5 min, and an hour later, as it asks for.
    for (ms, tries) in [
        (10_000, 1),
        (14_999, 0),
        (15_501, 1),
        (315_000, 0),
        (346_000, 1),
        (3_945_000, 0),
        (3_947_000, 1),
        (90_000_000, 0),
    ] {
        assert_eq!(
            notifier.tell_people(after(ms)).await.unwrap(),
            tries,
            "{ms}"
        );
        let told = sink.take();
        assert_eq!(told.len(), tries, "{ms}");
        assert!(told.iter().all(|r| is_signed(r) && r.path == "/hook?a=1"));
        ids.extend(
            told.into_iter()
                .map(|mut r| r.headers.remove("webhook-id").unwrap()),
        );
    }
    assert_eq!(ids.len(), 4);
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert!(
        platform
            .store
            .failed_notifications(10, None)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_webhook_that_is_gone_is_not_told_again() {
    let (platform, sink, settings) = found(&["410 Gone"]).await;
    let notifier = platform.notifier(&settings);
    for ms in [10_000, 16_000, 400_000, 90_000_000] {
        notifier.tell_people(after(ms)).await.unwrap();
    }
    assert_eq!(sink.take().len(), 1);
    let failed = platform.store.failed_notifications(10, None).await.unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].error, "it answers 410");
}

#[tokio::test]
async fn a_webhook_that_never_answers_is_given_up_after_ten_tries() {
    let (platform, sink, settings) = found(&["503 No"; 12]).await;
    let notifier = platform.notifier(&settings);
    for day in 0..20 {
        notifier
            .tell_people(after(10_000 + day * 100_000_000))
            .await
            .unwrap();
    }
    assert_eq!(sink.take().len(), 10);
    let failed = platform.store.failed_notifications(10, None).await.unwrap();
    assert_eq!((failed.len(), &*failed[0].error), (1, "it answers 503"));
}

#[tokio::test]
async fn no_failure_shows_the_address() {
    let (platform, sink, _) = found(&[]).await;
    let url = format!("http://{}/hunter2", sink.addr);
    drop(sink);
    let notifier = platform.notifier(&platform.webhook(&url));
    for day in 0..11 {
        notifier
            .tell_people(after(10_000 + day * 100_000_000))
            .await
            .unwrap();
    }
    let failed = platform.store.failed_notifications(10, None).await.unwrap();
    assert!(
        failed[0].error.starts_with("cannot connect"),
        "{}",
        failed[0].error
    );
    assert!(!failed[0].error.contains("hunter2"));
}

#[tokio::test]
async fn without_a_channel_nothing_waits() {
    let (platform, sink, settings) = found(&[]).await;
    let nobody = platform.notifier(&Settings::default());
    nobody.tell_people(after(10_000)).await.unwrap();
    // A channel that is set later is told of what comes from then on.
    let notifier = platform.notifier(&settings);
    assert_eq!(notifier.tell_people(after(20_000)).await.unwrap(), 0);
    assert!(sink.take().is_empty());
}

#[tokio::test]
async fn nobody_is_told_of_what_is_silenced_or_not_severe_enough() {
    let (platform, sink, settings) = found(&[]).await;
    let request = br#"{"matchers":[{"name":"host","op":"=~","value":"db.*"}],
        "starts_at":"2023-01-01T00:00:00Z","ends_at":"2024-01-01T00:00:00Z"}"#;
    let request = SilenceRequest::parse(request).unwrap();
    let silence: Silence = request.silence(contract::IncidentId(1), Moment(0));
    assert!(platform.store.put_silence(&silence).await.unwrap());
    let other = Anomaly {
        labels: [("host".to_owned(), "web".to_owned())].into(),
        ..anomaly("t", 2)
    };
    let minor = Anomaly {
        severity: Severity::Low,
        labels: other.labels.clone(),
        ..anomaly("u", 3)
    };
    platform.commit(vec![opened(&other), opened(&minor)]).await;
    let notifier = platform.notifier(&Settings {
        alert_min_severity: Severity::Medium,
        ..settings
    });
    assert_eq!(notifier.tell_people(after(10_000)).await.unwrap(), 3);
    let told = sink.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(body(&told[0]).data.group, "t");
    assert_eq!(notifier.tell_people(after(400_000)).await.unwrap(), 0);
}

#[tokio::test]
async fn slack_gets_a_text() {
    let (platform, sink, _) = found(&[]).await;
    let settings = platform.slack(&format!("http://{}/services/T0/B0/x\n", sink.addr));
    let notifier = platform.notifier(&settings);
    notifier.tell_people(after(10_000)).await.unwrap();
    let told = sink.take();
    assert_eq!((told.len(), &*told[0].path), (1, "/services/T0/B0/x"));
    assert_eq!(
        told[0].body,
        r#"{"text":"*Anomaly: s* (medium, 1 anomaly)\n• s: 22.5 is 12 above &lt;the&gt; 10.5 expected"}"#
    );
}
