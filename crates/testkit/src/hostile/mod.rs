//! Hostile requests. Each must be refused with a problem that names the fault, and change nothing.

mod bodies;
mod judging;
mod options;
mod registry;
mod requests;

use anyhow::ensure;

use crate::{Client, eventually, series};

/// One request, and how it must be refused.
struct Attack {
    name: String,
    request: Vec<u8>,
    /// The accepted statuses.
    statuses: &'static [u16],
    /// A word that `detail` or `errors` must contain, in lower case.
    fault: &'static str,
}

/// The series that attacks try to train. None of them may exist afterwards.
const VICTIM: &str = "victim";

/// Sends every attack to a fresh platform, and demands a 4xx problem that names the fault.
///
/// # Errors
/// All attacks with a different reply.
pub async fn check(client: Client) -> anyhow::Result<()> {
    let attacks = attacks();
    ensure!(attacks.len() >= 290, "only {} attacks", attacks.len());
    let mut failures = String::new();
    for attack in &attacks {
        if let Err(error) = check_attack(client, attack).await {
            failures.push_str(&format!("\n{}: {error:#}", attack.name));
        }
    }
    ensure!(
        failures.is_empty(),
        "not refused as they should be:{failures}"
    );
    check_nothing_changed(client).await
}

async fn check_attack(client: Client, attack: &Attack) -> anyhow::Result<()> {
    let reply = client.raw(&attack.request).await?;
    ensure!(
        attack.statuses.contains(&reply.status),
        "{} instead of {:?}: {}",
        reply.status,
        attack.statuses,
        reply.text()
    );
    let problem = reply.problem()?;
    let said = format!("{} {:?}", problem.detail, problem.errors).to_lowercase();
    ensure!(
        said.contains(attack.fault),
        "{:?} is not named in {said}",
        attack.fault
    );
    ensure!(
        reply.status != 405 || reply.header("allow").is_some(),
        "405 without Allow"
    );
    Ok(())
}

async fn check_nothing_changed(client: Client) -> anyhow::Result<()> {
    ensure!(
        client.get("/livez").await?.status == 200,
        "the service died"
    );
    let reply = client
        .post(
            &format!("/predict/{VICTIM}"),
            r#"{"timestamp":1,"value":1}"#,
        )
        .await?;
    ensure!(
        reply.status == 404,
        "an attack trained a model: {}",
        reply.text()
    );
    let listed = client.get("/v1/series").await?;
    let listed: contract::SeriesList = listed.ok()?;
    ensure!(listed.series.is_empty(), "an attack left {listed:?}");
    let reply = client.get(&format!("/plot?series_id={VICTIM}")).await?;
    ensure!(
        reply.status == 404,
        "an attack stored points: {}",
        reply.status
    );
    // The figures lag a little, so they prove less than the list above. Events of one partition are
    // counted in order: over one, whatever the attacks trained is counted before the sentinel.
    client.fit("sentinel", &series::three(1.0)).await?;
    let trained = eventually("the sentinel to be counted", || async {
        let trained = client.health().await?.series_trained;
        ensure!(trained > 0, "none");
        Ok(trained)
    });
    let trained = trained.await?;
    ensure!(trained == 1, "attacks trained {} series", trained - 1);
    Ok(())
}

fn attacks() -> Vec<Attack> {
    let mut attacks = Vec::new();
    attacks.extend(bodies::of_fit());
    attacks.extend(bodies::of_predict());
    attacks.extend(options::of_fit());
    attacks.extend(judging::of_judging());
    attacks.extend(judging::of_detection());
    attacks.extend(registry::attacks());
    attacks.extend(requests::ids());
    attacks.extend(requests::methods_and_paths());
    attacks.extend(requests::plots());
    attacks.extend(requests::sizes());
    attacks.extend(requests::broken_http());
    attacks
}

fn post(path: &str, body: &[u8]) -> Vec<u8> {
    with_body("POST", path, body)
}

fn with_body(method: &str, path: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend_from_slice(body);
    request
}

fn bare(line: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").into_bytes()
}

fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().take(80).collect()
}
