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
