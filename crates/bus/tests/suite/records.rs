//! What a publisher may say of its records: their partition and their headers.

use std::time::Duration;

use anyhow::Context;
use bus::{Bus, BusError, SubscribeOptions, Subscription};
use contract::{Event, Topic, TrainingData};
use serde::{Deserialize, Serialize};

use crate::{
    database::{Database, PATIENCE, read},
    fixture::Fixture,
};

/// An event that knows its partition.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Placed {
    partition: Option<i32>,
    number: i32,
}

impl Event for Placed {
    const TOPIC: Topic = TrainingData::TOPIC;

    /// All have one key, which would take them to one partition.
    fn key(&self) -> Option<&str> {
        Some("a")
    }

    fn partition(&self) -> Option<i32> {
        self.partition
    }
}

fn join(bus: &Bus) -> anyhow::Result<Subscription<Placed>> {
    Ok(bus.subscribe("readers", Database::default().offsets())?)
}

pub(crate) async fn go_to_the_partition_that_their_event_names(
    fixture: Fixture,
) -> anyhow::Result<()> {
    let placed = |number| Placed {
        partition: Some(number % 4),
        number,
    };
    let unplaced = Placed {
        partition: None,
        number: 20,
    };
    fixture.bus.publish((0..20).map(placed), None).await?;
    fixture.bus.publish([unplaced], None).await?;
    let mut messages = read(&mut join(&fixture.bus)?, 21).await?;
    let unplaced = messages.iter().position(|m| m.event == Ok(unplaced));
    messages.remove(unplaced.context("the one without a partition")?);
    for partition in 0..4 {
        let found = messages.iter().filter(|m| m.partition == partition);
        let found: Vec<_> = found
            .filter_map(|m| Some(m.event.as_ref().ok()?.number))
            .collect();
        let expected: Vec<i32> = (0..20).filter(|number| number % 4 == partition).collect();
        assert_eq!(found, expected);
    }
    assert!(messages.iter().all(|m| m.key.as_deref() == Some(b"a")));
    Ok(())
}

pub(crate) async fn are_refused_for_a_partition_that_the_topic_does_not_have(
    fixture: Fixture,
) -> anyhow::Result<()> {
    for partition in [4, -1, -1000] {
        let lost = Placed {
            partition: Some(partition),
            number: 0,
        };
        let refused = fixture.bus.publish([lost], None).await;
        let error = refused.err().map(|error| (error.is_permanent(), error));
        let named = matches!(
            error,
            Some((true, BusError::NoPartition { partition: p, .. })) if p == partition
        );
        assert!(named, "{partition}: {error:?}");
    }
    let lost = Placed {
        partition: Some(4),
        number: 0,
    };
    fixture.bus.try_publish(&lost, None);
    fixture.bus.flush(PATIENCE).await;
    assert_eq!(fixture.bus.dropped(), 1);
    Ok(())
}

pub(crate) async fn carry_the_headers_of_their_publisher(fixture: Fixture) -> anyhow::Result<()> {
    let event = |number| Placed {
        partition: Some(0),
        number,
    };
    let headers = [("observer", "o-1"), ("request", "é 7")];
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let events = [event(1), event(2)];
    let traced = Some(trace.to_owned());
    fixture.bus.publish_with(events, &headers, traced).await?;
    fixture
        .bus
        .publish_with([event(3)], &headers[..1], None)
        .await?;
    let messages = read(&mut join(&fixture.bus)?, 3).await?;
    let all = [headers[0], headers[1], ("traceparent", trace)];
    for (message, expected) in messages.iter().zip([&all[..], &all, &all[..1]]) {
        let found = message
            .headers
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()));
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
    assert_eq!(messages[1].trace.as_deref(), Some(trace));
    assert_eq!(messages[2].trace, None);
    Ok(())
}

pub(crate) async fn come_unparsed_to_those_who_want_them_so(
    fixture: Fixture,
) -> anyhow::Result<()> {
    let event = Placed {
        partition: Some(3),
        number: 7,
    };
    let headers = [("request", "1"), ("request", "2")];
    fixture.bus.publish_with([event], &headers, None).await?;
    let options = SubscribeOptions {
        instance: Some("reader-1".to_owned()),
        ..SubscribeOptions::default()
    };
    let offsets = Database::default().offsets();
    let mut reader: Subscription<Placed> =
        fixture.bus.subscribe_with("reader", offsets, options)?;
    let next = reader.next_raw(9, Duration::ZERO);
    let mut batch = tokio::time::timeout(PATIENCE, next).await??;
    assert_eq!(batch.generation, reader.assignment().borrow().generation);
    assert_eq!(batch.messages.len(), 1);
    let raw = batch.messages.remove(0);
    assert_eq!(raw.payload, br#"{"partition":3,"number":7}"#);
    assert_eq!(raw.key.as_deref(), Some(&b"a"[..]));
    assert_eq!((raw.partition, raw.offset), (3, 0));
    assert_eq!(
        (raw.header("request"), raw.header("other")),
        (Some("1"), None)
    );
    assert_eq!(&*raw.topic, fixture.bus.name_of(Placed::TOPIC));

    // Parsed, it is what the others get.
    let parsed = raw.clone().read::<Placed>();
    let mut reader: Subscription<Placed> = join(&fixture.bus)?;
    let message = read(&mut reader, 1).await?.remove(0);
    assert_eq!(format!("{parsed:?}"), format!("{message:?}"));
    assert_eq!(parsed.event, Ok(event));
    Ok(())
}
