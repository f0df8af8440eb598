//! Decides which deliveries of a batch are new to a group, and its offsets once they are applied.
//! No I/O.

use std::collections::BTreeMap;

use contract::{Delivery, TrainingData};

/// The offsets of a group: the next one of each partition.
pub(crate) type NextOffsets = BTreeMap<i32, i64>;

/// The deliveries in the order in which they were published, partition by partition.
pub(crate) fn in_order<'b, 'e>(
    batch: &'b [Delivery<'e, TrainingData>],
) -> Vec<&'b Delivery<'e, TrainingData>> {
    let mut deliveries: Vec<_> = batch.iter().collect();
    deliveries.sort_by_key(|delivery| (delivery.partition, delivery.offset));
    deliveries
}

/// How much of a batch one transaction applies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TxBudget {
    /// The most points, unless a single message has more.
    pub(crate) points: usize,
    /// The most messages.
    pub(crate) messages: usize,
}

impl TxBudget {
    /// The number of deliveries that one transaction takes: at least one, if there is one.
    pub(crate) fn takes(self, deliveries: &[&Delivery<'_, TrainingData>]) -> usize {
        let mut points = 0;
        let fit = deliveries
            .iter()
            .take(self.messages)
            .take_while(|delivery| {
                points += delivery.event.map_or(0, |event| event.data.len());
                points <= self.points
            });
        fit.count().max(1).min(deliveries.len())
    }
}

/// The partitions of deliveries in order.
pub(crate) fn partitions(deliveries: &[&Delivery<'_, TrainingData>]) -> Vec<i32> {
    let mut partitions: Vec<i32> = deliveries.iter().map(|d| d.partition).collect();
    partitions.dedup();
    partitions
}

/// The events that were not applied before, from deliveries in order. Moves `next` past them.
pub(crate) fn take_new<'e>(
    deliveries: &[&Delivery<'e, TrainingData>],
    next: &mut NextOffsets,
) -> Vec<&'e TrainingData> {
    let mut new = Vec::new();
    for delivery in deliveries {
        let next = next.entry(delivery.partition).or_default();
        if delivery.offset >= *next {
            *next = delivery.offset + 1;
            new.extend(delivery.event);
        }
    }
    new
}

#[cfg(test)]
mod tests {
    use contract::{Point, SeriesId, Version};

    use super::*;

    fn event(timestamp: i64) -> TrainingData {
        TrainingData {
            series_id: SeriesId::new("s").unwrap(),
            version: Version::new(1).unwrap(),
            data: vec![Point {
                timestamp,
                value: 0.0,
            }],
            part: None,
            parts: None,
        }
    }

    #[test]
    fn only_what_is_new_is_taken_whatever_the_order_of_arrival() {
        let events: Vec<_> = (0..10).map(event).collect();
        let batch: Vec<Delivery<'_, TrainingData>> =
            [(1, 6), (0, 3), (1, 5), (0, 2), (0, 3), (2, 0)]
                .map(|(partition, offset)| Delivery {
                    partition,
                    offset,
                    timestamp_ms: 0,
                    event: Some(&events[offset as usize]),
                })
                .into();
        let deliveries = in_order(&batch);
        assert_eq!(partitions(&deliveries), [0, 1, 2]);
        let mut next = NextOffsets::from([(0, 3), (1, 0)]);
        let taken: Vec<i64> = take_new(&deliveries, &mut next)
            .iter()
            .map(|event| event.data[0].timestamp)
            .collect();
        assert_eq!(taken, [3, 5, 6, 0]);
        assert_eq!(next, NextOffsets::from([(0, 4), (1, 7), (2, 1)]));
    }

    #[test]
    fn a_transaction_is_bounded_but_never_takes_nothing() {
        let mut large = event(0);
        large.data = vec![large.data[0]; 15];
        let small = event(0);
        let batch: Vec<Delivery<'_, TrainingData>> =
            [Some(&large), Some(&small), None, Some(&small)]
                .into_iter()
                .zip(0..)
                .map(|(event, offset)| Delivery {
                    partition: 0,
                    offset,
                    timestamp_ms: 0,
                    event,
                })
                .collect();
        let deliveries = in_order(&batch);
        let taken = |points, messages| TxBudget { points, messages }.takes(&deliveries);
        assert_eq!(taken(10, 9), 1);
        assert_eq!(taken(15, 9), 1);
        assert_eq!(taken(16, 9), 3);
        assert_eq!(taken(99, 2), 2);
        assert_eq!(taken(99, 9), 4);
        assert_eq!(
            TxBudget {
                points: 1,
                messages: 1
            }
            .takes(&[]),
            0
        );
    }

    #[test]
    fn a_buried_message_moves_the_offset_only() {
        let batch = [Delivery {
            partition: 0,
            offset: 8,
            timestamp_ms: 0,
            event: None,
        }];
        let mut next = NextOffsets::new();
        assert!(take_new(&in_order(&batch), &mut next).is_empty());
        assert_eq!(next, NextOffsets::from([(0, 9)]));
    }
}
