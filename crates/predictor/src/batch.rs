//! Judging a batch: each point by a model that stays as it is, those before it being its context.

use std::time::Instant;

use contract::{BatchRequest, DetectorName};

use crate::{
    models::resolve::Found,
    recorder::{Judged, Recorder},
    reply,
    work::{Output, Stop},
};

/// A batch, and what judges it.
pub(crate) struct Batch {
    /// What came.
    pub(crate) request: BatchRequest,
    /// What a client should hear about it.
    pub(crate) warnings: Vec<String>,
    /// The model.
    pub(crate) found: Found,
    /// Whether that was in memory.
    pub(crate) hit: bool,
    /// When the request began.
    pub(crate) start: Instant,
}

impl Batch {
    /// Judges, writes a [`contract::BatchReply`], and counts what was judged, also when the client left before the end.
    ///
    /// # Errors
    /// [`Stop::Left`].
    pub(crate) fn write(self, recorder: &Recorder, output: &mut Output) -> Result<(), Stop> {
        let (mut points, mut anomalies) = (0, 0);
        let written = self.write_all(output, &mut points, &mut anomalies);
        let judged = Judged {
            points,
            anomalies,
            hit: self.hit,
            took: self.start.elapsed().saturating_sub(output.held_up()),
        };
        recorder.record_batch(self.found.judge(), judged);
        written
    }

    fn write_all(
        &self,
        output: &mut Output,
        points: &mut u64,
        anomalies: &mut u64,
    ) -> Result<(), Stop> {
        let judge = self.found.judge();
        let detector: DetectorName = judge.model.detector();
        let version = judge.version;
        let opening = format_args!(
            "{{\"model_version\":\"{version}\",\"detector\":\"{detector}\",\"verdicts\":["
        );
        reply::put(output.text(), opening);
        let mut frozen = judge.model.frozen(&self.request.context);
        for point in &self.request.points {
            let verdict = frozen.score(*point, &self.request.judge);
            if *points > 0 {
                output.text().push(b',');
            }
            reply::judged(*point, &verdict, None, output.text());
            *points += 1;
            *anomalies += u64::from(verdict.anomaly);
            output.pass_on()?;
        }
        reply::put(output.text(), format_args!("],\"anomalies\":{anomalies}"));
        reply::warnings(&self.warnings, output.text());
        output.text().push(b'}');
        Ok(())
    }
}
