//! Streams, held against their points judged at once.

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::Client;

/// Checks that points that were `observed` one by one got the verdicts that `/v1/detect` gives after
/// `warmup` of them. Returns its reply. All three are in the order of the points.
///
/// The last point is left out: judged at once, it is known that no other one follows.
///
/// # Errors
/// The first difference, or what is wrong with the reply.
pub async fn at_once(
    client: Client,
    timestamps: &[i64],
    values: &[f64],
    warmup: usize,
    observed: &[Value],
) -> anyhow::Result<Value> {
    let body = json!({"timestamps": timestamps, "values": values, "train": warmup});
    let reply: Value = client.post("/v1/detect", &body.to_string()).await?.ok()?;
    let verdicts = reply["verdicts"].as_array().context("no verdicts")?;
    let found = observed.iter().enumerate().skip(warmup);
    for ((i, found), verdict) in found.zip(verdicts).take(verdicts.len().saturating_sub(1)) {
        for (name, member) in verdict.as_object().into_iter().flatten() {
            let found = &found[name];
            ensure!(found == member, "{i}: {name} {found} for {member}");
        }
    }
    Ok(reply)
}
