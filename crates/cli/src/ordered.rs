//! Predicting many points at once and hearing the verdicts in order.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
};

use contract::{JudgeOptions, Point, PredictReply, PredictRequest, SeriesId};

use crate::{
    client::Client,
    http::{ClientError, Reply},
};

/// A point's place among the others, and what became of it.
type Judged = (usize, Result<Reply<PredictReply>, ClientError>);

/// Replies that may wait for an earlier one, for each connection.
const AHEAD: usize = 64;

/// Points that are to be judged one by one, each perhaps with those before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    /// All there are.
    pub(crate) points: &'a [Point],
    /// How many of them are not to be judged.
    pub(crate) skip: usize,
    /// How many points before a point are sent along with it, at most.
    pub(crate) context: usize,
}

impl<'a> Rows<'a> {
    /// Those that are to be judged.
    pub(crate) fn judged(&self) -> &'a [Point] {
        &self.points[self.skip..]
    }

    /// What to ask about the one at `index` among them.
    fn request(&self, index: usize) -> Option<PredictRequest> {
        let index = self.skip + index;
        let point = *self.points.get(index)?;
        let context = &self.points[index.saturating_sub(self.context)..index];
        Some(PredictRequest {
            point,
            judge: JudgeOptions::default(),
            version: None,
            context: context.to_vec(),
        })
    }
}

/// Predicts `rows` over `connections` at once and hands each its verdict, in the order of the rows.
///
/// # Errors
/// The first error of `each`, which also ends the predicting.
pub(crate) fn predict_all<E>(
    client: &Client,
    series: &SeriesId,
    rows: &Rows<'_>,
    connections: usize,
    each: impl FnMut(Point, Result<Reply<PredictReply>, ClientError>) -> Result<(), E>,
) -> Result<(), E> {
    let next = AtomicUsize::new(0);
    let (sender, judged) = mpsc::sync_channel(AHEAD * connections);
    thread::scope(|scope| {
        for _ in 0..connections.min(rows.judged().len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(request) = rows.request(index) else {
                        return;
                    };
                    let reply = client.predict(series, &request);
                    // The other end is gone when `each` has failed.
                    if sender.send((index, reply)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        in_order(judged, rows.judged(), each)
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
