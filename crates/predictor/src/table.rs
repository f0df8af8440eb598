//! The reply to a detection as a table: the verdicts in blocks, with an array for each field. Less
//! than half of the bytes of the reply in rows, and no sentences about normal points.

use contract::{BLOCK_ROWS, Point, VerdictBlock};
use detector::{Detection, Judged};

use crate::{
    detect::Count,
    output::{Output, Stop},
    reply,
};

/// Scores `points`, and writes a [`contract::TableDetectReply`] up to the end of its last block.
///
/// # Errors
/// [`Stop::Disconnected`].
pub(crate) fn write(
    detection: &mut Detection,
    points: &[Point],
    count: &mut Count,
    output: &mut Output,
) -> Result<(), Stop> {
    output.buffer().extend_from_slice(b"{\"blocks\":[");
    let blocks = points.chunks(BLOCK_ROWS);
    let last = blocks.len() - 1;
    for (i, points) in blocks.enumerate() {
        let mut block = VerdictBlock::default();
        for (j, point) in points.iter().enumerate() {
            let judged = match i == last && j + 1 == points.len() {
                true => detection.update_last(*point),
                false => detection.update(*point),
            };
            count.points += 1;
            count.anomalies += u64::from(judged.verdict.anomaly);
            count.alarms += u64::from(judged.alarm);
            push(&mut block, &judged);
        }
        if i > 0 {
            output.buffer().push(b',');
        }
        reply::value(&block, output.buffer());
        output.flush_chunk()?;
    }
    Ok(())
}

fn push(block: &mut VerdictBlock, judged: &Judged) {
    let verdict = &judged.verdict;
    let told = verdict.anomaly || judged.alarm;
    block.anomaly.push(verdict.anomaly);
    block.alarm.push(judged.alarm);
    block.score.push(verdict.score);
    block.p_value.push(verdict.p_value);
    block.severity.push(verdict.severity);
    block.expected.push(verdict.expected);
    block.lower.push(verdict.lower);
    block.upper.push(verdict.upper);
    block.direction.push(verdict.direction);
    block.ratio.push(judged.ratio);
    block.about.push(judged.to_reply().about);
    let reason = told.then(|| verdict.reason.to_string());
    block.reason.push(reason);
}
