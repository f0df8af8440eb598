//! Predicting many points at once and hearing the verdicts in order.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
};

use contract::{Point, PredictReply, SeriesId};

use crate::client::{Client, ClientError, Reply};

/// A point's place in the file, and what became of it.
type Judged = (usize, Result<Reply<PredictReply>, ClientError>);

/// Replies that may wait for an earlier one, for each connection.
const AHEAD: usize = 64;

/// Predicts `points` over `connections` at once and hands each its verdict, in the order of the points.
///
/// # Errors
/// The first error of `each`, which also ends the predicting.
pub(crate) fn predict_all<E>(
    client: &Client,
    series: &SeriesId,
    points: &[Point],
    connections: usize,
    each: impl FnMut(Point, Result<Reply<PredictReply>, ClientError>) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let (sender, judged) = mpsc::sync_channel(AHEAD * connections);
    thread::scope(|scope| {
        for _ in 0..connections.min(points.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(point) = points.get(index) else {
                        return;
                    };
                    // The other end is gone when `each` has failed.
                    if sender
                        .send((index, client.predict(series, *point)))
                        .is_err()
                    {
                        return;
                    }
                }
            });
        }
        drop(sender);
        in_order(judged, points, each)
    })
}

fn in_order<E>(
    judged: Receiver<Judged>,
    points: &[Point],
    mut each: impl FnMut(Point, Result<Reply<PredictReply>, ClientError>) -> Result<(), E>,
) -> Result<(), E> {
    let mut early = BTreeMap::new();
    let mut due = 0;
    for (index, verdict) in judged {
        early.insert(index, verdict);
        while let Some(verdict) = early.remove(&due) {
            each(points[due], verdict)?;
            due += 1;
        }
    }
    Ok(())
}
