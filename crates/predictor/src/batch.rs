//! Scoring a batch. The model stays as it is, and the points before one in the batch are its
//! context.

use std::time::Instant;

use contract::{BatchRequest, ColumnsBatchRequest, Requested, TimeUnit};

use crate::{
    columns,
    error::Error,
    models::resolve::Resolved,
    output::{Output, Stop},
    predict::{of_numbers, placed},
    recorder::{Recorder, Scored},
    reply,
};

/// A batch, and the model that it is scored by.
pub(crate) struct Batch {
    /// The body of the request.
    pub(crate) request: Requested<BatchRequest, ColumnsBatchRequest>,
    /// The unit of its timestamps, if they are dates or have fractions.
    pub(crate) unit: Option<TimeUnit>,
    /// One sentence for each thing in the request that was ignored.
    pub(crate) warnings: Vec<String>,
    /// The model.
    pub(crate) resolved: Resolved,
    /// Whether the model was in memory.
    pub(crate) hit: bool,
    /// When the request began.
    pub(crate) start: Instant,
}

/// The points that have been scored.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) points: u64,
    pub(crate) anomalies: u64,
}

impl Batch {
    /// Scores all points, writes a [`contract::BatchReply`] and counts the points, also when the
    /// client left before the end.
    ///
    /// # Errors
    /// [`Stop::Refused`], before anything is written, for points that the model cannot judge: their
    /// time counts in another unit, or their columns are others. [`Stop::Disconnected`].
    pub(crate) fn write(self, recorder: &Recorder, output: &mut Output) -> Result<(), Stop> {
        let mut tally = Tally::default();
        let written = self.write_all(output, &mut tally);
        if matches!(written, Err(Stop::Refused(_))) {
            return written;
        }
        let scored = Scored {
            points: tally.points,
            anomalies: tally.anomalies,
            hit: self.hit,
            took: self.start.elapsed().saturating_sub(output.held_up()),
        };
        recorder.record_batch(self.resolved.model(), scored);
        written
    }

    fn write_all(&self, output: &mut Output, tally: &mut Tally) -> Result<(), Stop> {
        let loaded = self.resolved.model();
        match &self.request {
            Requested::Series(request) => self.write_verdicts(request, output, tally)?,
            Requested::Columns(request) => {
                columns::write_verdicts(request, self.unit, loaded, output, tally)?;
            }
        }
        let anomalies = tally.anomalies;
        reply::put(output.buffer(), format_args!("],\"anomalies\":{anomalies}"));
        reply::warnings(&self.warnings, output.buffer());
        output.buffer().extend_from_slice(b"}\n");
        Ok(())
    }

    fn write_verdicts(
        &self,
        request: &BatchRequest,
        output: &mut Output,
        tally: &mut Tally,
    ) -> Result<(), Stop> {
        let loaded = self.resolved.model();
        let model = of_numbers(&loaded.model)?;
        let context = placed(model, &request.context, self.unit).map_err(Error::from)?;
        let points = placed(model, &request.points, self.unit).map_err(Error::from)?;
        reply::batch_opening(loaded.version, model.detector(), output.buffer());
        let mut scorer = model.fixed_scorer(&context);
        for point in &*points {
            let verdict = scorer.score(*point, &request.judge);
            if tally.points > 0 {
                output.buffer().push(b',');
            }
            reply::judged(*point, &verdict, None, output.buffer());
            tally.points += 1;
            tally.anomalies += u64::from(verdict.anomaly);
            output.flush_chunk()?;
        }
        Ok(())
    }
}
