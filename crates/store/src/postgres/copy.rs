//! Writes points with `COPY … (FORMAT binary)`: two to three times as fast as `INSERT`, and numbers
//! keep their bits.

use contract::{Point, TrainingData};
use sqlx::PgConnection;

use crate::columns::position;

/// Stands before the rows: signature, flags, length of the extension.
const HEADER: &[u8; 19] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";
/// Stands after the rows.
const TRAILER: [u8; 2] = (-1_i16).to_be_bytes();
/// The number of fields of a row.
const FIELDS: [u8; 2] = 5_i16.to_be_bytes();
/// The bytes that are gathered before they are sent.
const CHUNK: usize = 256 * 1_024;

/// Copies the points of `events` into `table`, which has the columns of `training_data`. Returns
/// how many.
pub(super) async fn into(
    connection: &mut PgConnection,
    table: &str,
    events: &[&TrainingData],
) -> Result<u64, sqlx::Error> {
    if events.iter().all(|event| event.data.is_empty()) {
        return Ok(0);
    }
    let statement = format!(
        "COPY {table} (series_id, version, position, timestamp, value) FROM STDIN (FORMAT binary)"
    );
    let mut copy = connection.copy_in_raw(&statement).await?;
    let mut buffer = HEADER.to_vec();
    for event in events {
        for (at, point) in (event.first_position()..).zip(&event.data) {
            row(&mut buffer, event, at, *point);
            if buffer.len() >= CHUNK {
                copy.send(buffer.as_slice()).await?;
                buffer.clear();
            }
        }
    }
    buffer.extend(TRAILER);
    copy.send(buffer.as_slice()).await?;
    copy.finish().await
}

fn row(buffer: &mut Vec<u8>, event: &TrainingData, at: usize, point: Point) {
    let series = event.series_id.as_str().as_bytes();
    buffer.extend(FIELDS);
    buffer.extend((series.len() as u32).to_be_bytes());
    buffer.extend(series);
    number(buffer, i64::from(event.version.number()).to_be_bytes());
    number(buffer, position(at).to_be_bytes());
    number(buffer, point.timestamp.to_be_bytes());
    number(buffer, point.value.to_be_bytes());
}

fn number(buffer: &mut Vec<u8>, bytes: [u8; 8]) {
    buffer.extend(8_u32.to_be_bytes());
    buffer.extend(bytes);
}
