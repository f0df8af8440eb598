//! Scoring a batch. The model stays as it is, and the points before one in the batch are its
//! context.

use std::time::Instant;

use contract::{BatchRequest, DetectorName};

use crate::{
    error::Error,
    models::resolve::Resolved,
    output::{Output, Stop},
    recorder::{Recorder, Scored},
    reply,
};

/// A batch, and the model that it is scored by.
pub(crate) struct Batch {
    /// The body of the request.
    pub(crate) request: BatchRequest,
    /// One sentence for each thing in the request that was ignored.
    pub(crate) warnings: Vec<String>,
    /// The model.
    pub(crate) resolved: Resolved,
    /// Whether the model was in memory.
    pub(crate) hit: bool,
    /// When the request began.
    pub(crate) start: Instant,
}

impl Batch {
    /// Scores all points, writes a [`contract::BatchReply`] and counts the points, also when the
    /// client left before the end.
    ///
    /// # Errors
    /// [`Stop::Refused`], before anything is written, for points whose time counts in another unit
    /// than the training points; [`Stop::Disconnected`].
    pub(crate) fn write(self, recorder: &Recorder, output: &mut Output) -> Result<(), Stop> {
        for point in self.request.context.iter().chain(&self.request.points) {
            let model = &self.resolved.model().model;
            model.check_unit(point.timestamp).map_err(Error::from)?;
        }
        let (mut points, mut anomalies) = (0, 0);
        let written = self.write_all(output, &mut points, &mut anomalies);
        let scored = Scored {
            points,
            anomalies,
            hit: self.hit,
            took: self.start.elapsed().saturating_sub(output.held_up()),
        };
        recorder.record_batch(self.resolved.model(), scored);
        written
    }

    fn write_all(
        &self,
        output: &mut Output,
        points: &mut u64,
        anomalies: &mut u64,
    ) -> Result<(), Stop> {
        let loaded = self.resolved.model();
        let detector: DetectorName = loaded.model.detector();
        let version = loaded.version;
        let opening = format_args!(
            "{{\"model_version\":\"{version}\",\"detector\":\"{detector}\",\"verdicts\":["
        );
        reply::put(output.buffer(), opening);
        let mut scorer = loaded.model.fixed_scorer(&self.request.context);
        for point in &self.request.points {
            let verdict = scorer.score(*point, &self.request.judge);
            if *points > 0 {
                output.buffer().push(b',');
            }
            reply::judged(*point, &verdict, None, output.buffer());
            *points += 1;
            *anomalies += u64::from(verdict.anomaly);
            output.flush_chunk()?;
        }
        reply::put(output.buffer(), format_args!("],\"anomalies\":{anomalies}"));
        reply::warnings(&self.warnings, output.buffer());
        output.buffer().extend_from_slice(b"}\n");
        Ok(())
    }
}
