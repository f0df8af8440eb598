//! Predicts many points at once, and passes the verdicts on in order.

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

/// The index of a point, and the verdict on it.
type Judged = (usize, Result<Reply<PredictReply>, ClientError>);

/// For each connection, this many replies may wait for an earlier one.
const AHEAD: usize = 64;

/// Points to judge one by one, each with some of those before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a> {
    /// All points of the file.
    pub(crate) points: &'a [Point],
    /// The number of points at the start that are not judged.
    pub(crate) skip: usize,
    /// The most points before a point that are sent with it.
    pub(crate) context: usize,
}

impl<'a> Rows<'a> {
    /// The points to judge.
    pub(crate) fn judged(&self) -> &'a [Point] {
        &self.points[self.skip..]
    }

    /// The request for the point at `index` among those.
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

/// Predicts `rows` over several `connections`, and calls `each` with every verdict, in the order of
/// the rows.
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
                    // The receiver is gone once `each` has failed.
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
