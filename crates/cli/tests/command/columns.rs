//! Columns that belong together.

use crate::{
    Folder, failure,
    server::{Reply, Server},
    success,
};

const ROWS: &str = "time,cpu,mem\n0,1,10\n60,2,20\n120,3,30\n180,4,40\n";

#[test]
fn fit_sends_the_columns_that_are_named() -> anyhow::Result<()> {
    let server = Server::start(|_| {
        Reply::ok(
            r#"{"series_id":"s","version":"v1","points_used":4,"detector":"auto","columns":["mem","cpu"]}"#,
        )
    })?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", ROWS)?;
    let printed = success(&server.url, &["fit", "s", &file, "--columns", "mem,cpu"])?;
    assert!(
        printed.starts_with("s: v1 fitted by auto on 4 rows of 2 columns"),
        "{printed}"
    );
    let sent = r#"{"timestamps":[0,60,120,180],"values":{"mem":[10.0,20.0,30.0,40.0],"cpu":[1.0,2.0,3.0,4.0]}}"#;
    assert_eq!(server.seen()[0].body, sent);
    Ok(())
}

#[test]
fn predict_prints_the_share_of_each_column() -> anyhow::Result<()> {
    let server = Server::start(|_| {
        Reply::ok(
            r#"{"model_version":"v3","anomaly":true,"score":0.7,"severity":"high","p_value":1e-6,"direction":"pattern","reason":"mem and cpu","detector":"auto","contributions":{"cpu":0.25,"mem":0.75},"columns":{"cpu":{"expected":1.0,"lower":0.5,"upper":1.5,"p_value":0.2},"mem":{"expected":10.0,"lower":null,"upper":12.0,"p_value":0.1}}}"#,
        )
    })?;
    let predict = [
        "predict",
        "s",
        "--timestamp",
        "60",
        "--values",
        "cpu=1.5,mem=9",
    ];
    let printed = success(&server.url, &predict)?;
    assert!(
        printed.contains("is an anomaly of high severity (model v3)"),
        "{printed}"
    );
    assert!(
        printed.contains(" 75 %  mem: expected 10, normal from – to 12"),
        "{printed}"
    );
    let sent = r#"{"timestamp":60,"value":{"cpu":1.5,"mem":9.0}}"#;
    assert_eq!(server.seen()[0].body, sent);
    Ok(())
}

#[test]
fn detect_prints_episodes_with_their_reasons() -> anyhow::Result<()> {
    const LINES: &str = concat!(
        r#"{"timestamp":120,"value":{"cpu":3.0,"mem":30.0},"anomaly":true,"score":0.7,"severity":"low","p_value":1e-4,"direction":"pattern","reason":"they do not go together","detector":"auto","contributions":{"cpu":0.5,"mem":0.5},"columns":{},"alarm":true}"#,
        "\n",
        r#"{"timestamp":180,"value":{"cpu":4.0,"mem":40.0},"anomaly":false,"score":0.1,"severity":"none","p_value":0.5,"direction":"none","reason":"usual","detector":"auto","contributions":{"cpu":0.5,"mem":0.5},"columns":{},"alarm":false}"#,
        "\n",
        r#"{"summary":{"detector":"auto","columns":["cpu","mem"],"train":2,"anomalies":1,"alarms":1,"episodes":[{"start":120,"end":120,"peak":120,"severity":"low","p_value":1e-4}]}}"#,
        "\n"
    );
    let server = Server::start(|_| Reply::ok(LINES))?;
    let folder = Folder::new()?;
    let file = folder.file("a.csv", ROWS)?;
    let detect = ["detect", &file, "--train", "2", "--columns", "cpu,mem"];
    let printed = success(&server.url, &detect)?;
    for said in [
        "auto fitted on 2 rows of 2 columns",
        "      they do not go together",
        "1 episode; 1 anomaly among 2 rows judged",
    ] {
        assert!(printed.contains(said), "{printed}");
    }
    Ok(())
}

#[test]
fn columns_that_cannot_be_taken_are_named() -> anyhow::Result<()> {
    let folder = Folder::new()?;
    let file = folder.file("a.csv", ROWS)?;
    for (columns, said) in [
        (
            "cpu,disk",
            "no column \"disk\"; the columns are \"time\", \"cpu\", \"mem\". Name one with --columns",
        ),
        (
            "cpu",
            "--columns: there are 1 columns, which is not 2 to 64",
        ),
        ("cpu,cpu", "--columns: duplicate field `cpu`"),
    ] {
        let output = failure(
            "http://127.0.0.1:1",
            &["fit", "s", &file, "--columns", columns],
            2,
        )?;
        assert!(output.contains(said), "{output}");
    }
    Ok(())
}
