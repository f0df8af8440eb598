//! Payloads of events: what is accepted reads the same once it is written again.
#![no_main]

use contract::{Event, MetricsEvent, ModelEvent, TrainingData};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((kind, payload)) = input.split_first() else {
        return;
    };
    match kind % 3 {
        0 => read::<MetricsEvent>(payload),
        1 => read::<TrainingData>(payload),
        _ => read::<ModelEvent>(payload),
    }
});

fn read<E: Event + PartialEq + std::fmt::Debug>(payload: &[u8]) {
    let Ok(event) = serde_json::from_slice::<E>(payload) else {
        return;
    };
    let written = serde_json::to_vec(&event).expect("an event is always JSON");
    let again: E = serde_json::from_slice(&written).expect("what was accepted once");
    assert_eq!(again, event);
    assert_eq!(again.key(), event.key());
}
