//! Where a group continues in a log.

use contract::{TopicLog, TopicOffset};

use crate::{StoreError, columns::offsets, registry::connection::Connection};

const SELECT: &str = r#"
    SELECT partition, next_offset FROM consumer_offsets
    WHERE "group" = $1 AND topic = $2 ORDER BY partition"#;
const FORGET: &str = r#"DELETE FROM consumer_offsets WHERE "group" = $1 AND topic = $2"#;
const ADOPT: &str = r#"UPDATE consumer_offsets SET topic = $3 WHERE "group" = $1 AND topic = $2"#;

/// The offsets of `group` in `log`. Call it within a transaction.
pub(crate) async fn start_offsets(
    connection: &mut Connection<'_>,
    group: &str,
    log: &TopicLog,
) -> Result<Vec<TopicOffset>, StoreError> {
    let key = log.key();
    let known = [group.into(), key.as_str().into()];
    if log.is_cut {
        connection.run::<()>(FORGET, &known).await?;
    }
    let stored: Vec<(i32, i64)> = connection.run(SELECT, &known).await?;
    if !stored.is_empty() || log.is_cut || key == log.topic {
        return Ok(offsets(stored));
    }
    let topic = log.topic.as_str();
    let adopt = [group.into(), topic.into(), key.as_str().into()];
    connection.run::<()>(ADOPT, &adopt).await?;
    let adopted: Vec<(i32, i64)> = connection.run(SELECT, &known).await?;
    Ok(offsets(adopted))
}
