//! Which deliveries of a batch are new to a group, and how far it is when they are applied. No I/O.

use std::collections::BTreeMap;

use contract::TrainingData;

use crate::Delivery;

/// How far a group got: the next offset of each partition.
pub(crate) type NextOffsets = BTreeMap<i32, i64>;

/// The deliveries in the order in which they were published, partition by partition.
pub(crate) fn in_order<'b, 'e>(batch: &'b [Delivery<'e>]) -> Vec<&'b Delivery<'e>> {
    let mut deliveries: Vec<_> = batch.iter().collect();
    deliveries.sort_by_key(|delivery| (delivery.partition, delivery.offset));
    deliveries
}

/// As much of a batch as one transaction is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    /// Points at most, unless a single message has more.
    pub(crate) points: usize,
    /// Messages at most.
    pub(crate) messages: usize,
}

impl Share {
    /// How many of the deliveries one transaction takes: at least one, if there is one.
    pub(crate) fn of(self, deliveries: &[&Delivery<'_>]) -> usize {
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

/// The partitions that the deliveries, in order, came from.
pub(crate) fn partitions(deliveries: &[&Delivery<'_>]) -> Vec<i32> {
    let mut partitions: Vec<i32> = deliveries.iter().map(|d| d.partition).collect();
    partitions.dedup();
    partitions
}

/// Takes the events that were not applied before out of deliveries in order, and moves `next` past them.
pub(crate) fn take_new<'e>(
    deliveries: &[&Delivery<'e>],
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
        let batch: Vec<Delivery<'_>> = [(1, 6), (0, 3), (1, 5), (0, 2), (0, 3), (2, 0)]
            .map(|(partition, offset)| Delivery {
                partition,
                offset,
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
    fn a_share_is_bounded_but_never_nothing() {
        let mut large = event(0);
        large.data = vec![large.data[0]; 15];
        let small = event(0);
        let batch: Vec<Delivery<'_>> = [Some(&large), Some(&small), None, Some(&small)]
            .into_iter()
            .zip(0..)
            .map(|(event, offset)| Delivery {
                partition: 0,
                offset,
                event,
            })
            .collect();
        let deliveries = in_order(&batch);
        let share = |points, messages| Share { points, messages }.of(&deliveries);
        assert_eq!(share(10, 9), 1);
        assert_eq!(share(15, 9), 1);
        assert_eq!(share(16, 9), 3);
        assert_eq!(share(99, 2), 2);
        assert_eq!(share(99, 9), 4);
        assert_eq!(
            Share {
                points: 1,
                messages: 1
            }
            .of(&[]),
            0
        );
    }

    #[test]
    fn a_buried_message_moves_the_offset_only() {
        let batch = [Delivery {
            partition: 0,
            offset: 8,
            event: None,
        }];
        let mut next = NextOffsets::new();
        assert!(take_new(&in_order(&batch), &mut next).is_empty());
        assert_eq!(next, NextOffsets::from([(0, 9)]));
    }
}
