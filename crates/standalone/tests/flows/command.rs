//! The `anomaly` command, as far as it talks about streams, to the whole platform.

use std::fmt::Write;

use anyhow::ensure;
use clap::Parser;
use testkit::Platform;

/// What the `anomaly` command prints.
async fn command(platform: &Platform, args: &str) -> anyhow::Result<String> {
    let url = format!("http://{}", platform.client().addr());
    let words = ["anomaly", "--url", &url];
    let words: Vec<String> = words
        .into_iter()
        .chain(args.split(' '))
        .map(str::to_owned)
        .collect();
    let printed = tokio::task::spawn_blocking(move || {
        let mut out = Vec::new();
        cli::run(&cli::Cli::try_parse_from(words)?, &mut out)?;
        anyhow::Ok(String::from_utf8(out)?)
    });
    printed.await?
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_observes_a_file_again_and_manages_its_stream() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("points.csv");
    let mut rows = "ts,value\n".to_owned();
    for row in 1..=200 {
        let value = if row == 200 { 90 } else { 50 + row * 31 % 7 };
        writeln!(rows, "{row},{value}")?;
    }
    std::fs::write(&file, rows)?;
    let observe = format!("observe web {}", file.display());
    let printed = command(&platform, &observe).await?;
    ensure!(
        printed.contains("  200                      alarm, critical    value 90\n"),
        "{printed}"
    );
    ensure!(
        printed.ends_with("in 198 verdicts\n2 learned, too early for a verdict\n"),
        "{printed}"
    );
    let again = command(&platform, &observe).await?;
    ensure!(
        again.contains("alarm, critical    value 90\n")
            && again.ends_with(
                "in 8 verdicts\n8 sent before, and learned then\n\
                 192 not learned: late, before the last one of the stream\n"
            ),
        "{again}"
    );
    let shown = command(&platform, "stream set web --warmup 100 --label host=a1").await?;
    ensure!(shown.contains("label host=a1"), "{shown}");
    let shown = command(&platform, "stream restart web --from nothing --rewind").await?;
    ensure!(
        shown.starts_with("web: learning, 0 of 100 points\n"),
        "{shown}"
    );
    let point = command(&platform, "observe web --timestamp 5 --value 1").await?;
    ensure!(
        point == "web: 1 at 5 is learned, too early for a verdict (1 of 100 points)\n",
        "{point}"
    );
    let ended = command(&platform, "stream end web --yes").await?;
    ensure!(ended == "web: stream ended\n", "{ended}");
    let gone = command(&platform, "stream show web").await.unwrap_err();
    ensure!(
        gone.to_string().contains("The series has no stream"),
        "{gone}"
    );
    platform.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_watches_the_output_of_another_and_reads_what_spreadsheets_write()
-> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("werte.csv");
    let mut rows = "Datum;Wert\r\n".to_owned();
    for row in 1..=200 {
        let value = if row == 200 { 90 } else { 50 + row * 31 % 7 };
        let (hour, day) = (row % 24, 1 + row / 24);
        writeln!(rows, "{day:02}.05.2024 {hour:02}:00;{value},5\r")?;
    }
    std::fs::write(&file, rows)?;
    let watch = format!("watch web -- cat {}", file.display());
    let printed = command(&platform, &watch).await?;
    ensure!(
        printed.contains("  2024-05-09 08:00:00      alarm, critical    value 90.5\n"),
        "{printed}"
    );
    ensure!(
        printed.ends_with("in 198 verdicts\n2 learned, too early for a verdict\n"),
        "{printed}"
    );
    // Watched again, nothing is learned twice.
    let again = command(&platform, &watch).await?;
    ensure!(
        again.ends_with(
            "8 sent before, and learned then\n\
             192 not learned: late, before the last one of the stream\n"
        ),
        "{again}"
    );
    let judged = command(&platform, &format!("detect {} --each", file.display())).await?;
    ensure!(
        judged.starts_with("Wert:\n") && judged.contains("peak 90.5 at 2024-05-09 08:00:00"),
        "{judged}"
    );
    platform.stop().await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_lists_what_was_found_and_silences_it() -> anyhow::Result<()> {
    let platform = Platform::start().await?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("points.csv");
    let mut rows = "ts,value\n".to_owned();
    for row in 1..=60 {
        let value = if row == 55 { 900 } else { row * 31 % 7 };
        writeln!(rows, "{row},{value}")?;
    }
    std::fs::write(&file, rows)?;
    command(
        &platform,
        "stream set web --warmup 40 --detector robust --label host=a1",
    )
    .await?;
    command(&platform, &format!("observe web {}", file.display())).await?;
    let filter =
        "anomalies --label host=a1 --severity low --kind value --since 2020-01-01T00:00:00Z";
    let listed = testkit::eventually("the anomaly is stored", || async {
        let listed = command(&platform, filter).await?;
        ensure!(listed.contains("web at 55 (value, "), "{listed}");
        Ok(listed)
    })
    .await?;
    let id = listed.lines().last().unwrap_or_default().trim();
    let shown = command(&platform, &format!("anomalies show {id}")).await?;
    ensure!(
        shown.starts_with(&listed) && shown.contains("  value 900, expected "),
        "{shown}"
    );
    let incidents = command(&platform, "anomalies incidents").await?;
    let incident = incidents.split_whitespace().last().unwrap_or_default();
    let shown = command(&platform, &format!("anomalies incident {incident}")).await?;
    ensure!(
        shown.starts_with("web: ") && shown.ends_with(&listed),
        "{shown}"
    );
    ensure!(
        command(&platform, "anomalies --series other")
            .await?
            .is_empty()
    );

    let add = "silence add --matcher host=~a.* --ends-at 2090-01-02T00:00:00Z --comment moving";
    let added = command(&platform, add).await?;
    ensure!(
        added.contains(": host=~a.*, from ")
            && added.ends_with(" to 2090-01-02 00:00:00 (moving)\n"),
        "{added}"
    );
    assert_eq!(command(&platform, "silence list").await?, added);
    let bad = add.replace("a.*", "(");
    let bad = command(&platform, &bad).await.unwrap_err().to_string();
    ensure!(bad.contains("is not a regular expression"), "{bad}");
    let (id, _) = added.split_once(':').unwrap_or_default();
    let deleted = command(&platform, &format!("silence delete {id}")).await?;
    assert_eq!(deleted, format!("{id}: deleted\n"));
    assert_eq!(command(&platform, "silence list").await?, "");
    platform.stop().await.map(drop)
}
