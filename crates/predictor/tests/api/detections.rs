//! Series that are not kept: fitted on their beginning, and judged, in one call.

use anyhow::Context;
use axum::http::{StatusCode, header};
use contract::{
    BLOCK_ROWS, ColumnarDetectReply, DetectLine, DetectReply, DetectorName, FitOptions,
    JudgedReply, Point, TableDetectReply, Train, VerdictBlock, VerdictReply,
};
use predictor::{DetectSettings, Settings};
use serde_json::{Value, json};

use crate::{
    fixture::{Fixture, Reply},
    support::points,
};

const LINES: &str = "application/x-ndjson";

/// Values with a wave and some chance in them, and here and there something else.
fn values(length: usize) -> Vec<f64> {
    let value = |i: usize| match i % 500 {
        400 => 75.5,
        _ => (i * 37 % 24) as f64 + (i * 7919 % 97) as f64 / 97.0,
    };
    (0..length).map(value).collect()
}

/// A body with these values and `more`.
fn body(values: &[f64], more: &Value) -> String {
    let timestamps: Vec<i64> = points(values).iter().map(|p| p.timestamp).collect();
    let mut body = json!({"timestamps": timestamps, "values": values});
    for (name, value) in more.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    body.to_string()
}

async fn detect(fixture: &Fixture, body: &str) -> anyhow::Result<DetectReply> {
    let reply = fixture.post("/v1/detect", body).await?;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    assert!(reply.text.ends_with("}\n"));
    assert_eq!(reply.headers[header::CONTENT_TYPE], "application/json");
    Ok(serde_json::from_str(&reply.text)?)
}

async fn detect_in_lines(fixture: &Fixture, body: &str) -> anyhow::Result<Vec<DetectLine>> {
    let accept = [("accept", LINES)];
    let reply = fixture.send("POST", "/v1/detect", &accept, body).await?;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    assert_eq!(reply.headers[header::CONTENT_TYPE], LINES);
    assert!(reply.text.ends_with("}\n"));
    let lines = reply.text.lines().map(serde_json::from_str);
    Ok(lines.collect::<Result<_, _>>()?)
}

#[tokio::test]
async fn both_forms_say_what_the_detector_does() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let values = values(3_000);
    let body = body(&values, &json!({"train": 300, "min_deviation": 0.5}));
    let points: Vec<Point> = points(&values);
    let mut detection = detector::detect(
        &points,
        Train::Points(300),
        &FitOptions::default(),
        DetectorName::Auto,
        Some(0.5),
    )?;
    let expected: Vec<JudgedReply> = points[300..]
        .iter()
        .map(|point| {
            let judged = detection.update(*point);
            JudgedReply {
                timestamp: point.timestamp,
                value: point.value,
                verdict: judged.verdict.to_reply(),
                online: Some(judged.to_reply()),
            }
        })
        .collect();

    let reply = detect(&fixture, &body).await?;
    assert!(reply.verdicts == expected);
    let anomalies = expected.iter().filter(|v| v.verdict.anomaly).count() as u64;
    let is_alarm = |v: &&JudgedReply| v.online.as_ref().is_some_and(|online| online.alarm);
    let alarms = expected.iter().filter(is_alarm).count() as u64;
    assert!(alarms > 0 && anomalies > alarms);
    let summary = &reply.summary;
    assert_eq!(summary.train, 300);
    assert_eq!((summary.anomalies, summary.alarms), (anomalies, alarms));
    assert_eq!(summary.detector, detection.model.detector());
    assert_eq!(summary.period, detection.model.period());
    let episodes: Vec<_> = summary
        .episodes
        .iter()
        .map(|e| (e.start, e.end, e.peak))
        .collect();
    let found = detection.episodes();
    let found: Vec<_> = found.iter().map(|e| (e.start, e.end, e.peak)).collect();
    assert_eq!(episodes, found);

    let mut lines = detect_in_lines(&fixture, &body).await?;
    let last = lines.pop();
    assert_eq!(
        last,
        Some(DetectLine::Summary {
            summary: reply.summary
        })
    );
    let verdicts: Vec<DetectLine> = expected.into_iter().map(DetectLine::Verdict).collect();
    assert!(lines == verdicts);
    Ok(())
}

#[tokio::test]
async fn the_detector_can_be_asked_for_and_has_a_default() -> anyhow::Result<()> {
    let values = values(100);
    let ask = async |default, more: Value| {
        let detect_settings = DetectSettings {
            default_detector: default,
            ..DetectSettings::default()
        };
        let settings = Settings {
            detect: detect_settings,
            ..Settings::default()
        };
        let fixture = Fixture::with(settings).await?;
        let reply = detect(&fixture, &body(&values, &more)).await?;
        anyhow::Ok((reply.summary.detector, reply.summary.train))
    };
    let half = json!({"train": 0.5});
    assert_eq!(
        ask(DetectorName::Robust, half).await?,
        (DetectorName::Robust, 50)
    );
    let sigma = json!({"detector": "sigma"});
    assert_eq!(
        ask(DetectorName::Robust, sigma).await?,
        (DetectorName::Sigma, 15)
    );
    Ok(())
}

fn is_near(one: Option<f64>, other: Option<f64>, most: f64) {
    let off = one.zip(other).map(|(one, other)| (one - other).abs());
    assert_eq!(one.is_some(), other.is_some());
    assert!(off.is_none_or(|off| off <= most), "{off:?}");
}

#[tokio::test]
async fn columns_say_the_same_as_rows_in_fewer_bytes() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let values = values(3_000);
    let ask = async |form: &str| {
        let body = body(&values, &json!({"train": 300, "form": form}));
        let reply = fixture.post("/v1/detect", &body).await?;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        anyhow::Ok(reply.text)
    };
    let (rows, columns) = (ask("rows").await?, ask("columns").await?);
    assert!(10 * columns.len() < rows.len(), "{}", columns.len());
    let rows: DetectReply = serde_json::from_str(&rows)?;
    let columns: ColumnarDetectReply = serde_json::from_str(&columns)?;
    let (summary, of_rows) = (&columns.summary, &rows.summary);
    assert_eq!(
        (summary.detector, summary.train, summary.anomalies),
        (of_rows.detector, 300, of_rows.anomalies)
    );
    assert_eq!(summary.episodes, of_rows.episodes);
    assert_eq!(summary.change_points, of_rows.change_points);
    assert_eq!(
        (summary.period, &summary.warnings),
        (of_rows.period, &of_rows.warnings)
    );
    assert!(summary.gaps.is_empty());
    let (mut alarms, range) = (columns.alarms.iter(), 99.0);
    for (i, row) in rows.verdicts.iter().enumerate() {
        let verdict = &row.verdict;
        for (column, number) in [
            (&columns.expected, verdict.expected),
            (&columns.lower, verdict.lower),
            (&columns.upper, verdict.upper),
        ] {
            is_near(column[i], number, 1e-5 * range);
        }
        let Some(online) = row.online.as_ref().filter(|online| online.alarm) else {
            continue;
        };
        let alarm = alarms.next().context("an alarm")?;
        assert_eq!(
            (alarm.index, alarm.timestamp),
            (300 + i as u64, row.timestamp)
        );
        assert_eq!(
            (alarm.severity, alarm.direction),
            (verdict.severity, verdict.direction)
        );
        assert_eq!(
            (alarm.ratio, alarm.p_value),
            (online.ratio, verdict.p_value)
        );
        assert_eq!(
            (&alarm.reason, Some(alarm.cause)),
            (&verdict.reason, online.cause)
        );
    }
    assert!(alarms.next().is_none() && !columns.alarms.is_empty());
    assert_eq!(columns.upper.len(), rows.verdicts.len());
    Ok(())
}

#[tokio::test]
async fn a_table_has_all_verdicts_in_blocks() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let values = values(2 * BLOCK_ROWS + 310);
    let ask = async |form: &str| {
        let body = body(&values, &json!({"train": 300, "form": form}));
        let reply = fixture.post("/v1/detect", &body).await?;
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
        anyhow::Ok(reply.text)
    };
    let (rows, table) = (ask("rows").await?, ask("table").await?);
    assert!(2 * table.len() < rows.len(), "{}", table.len());
    let rows: DetectReply = serde_json::from_str(&rows)?;
    let table: TableDetectReply = serde_json::from_str(&table)?;
    assert_eq!(table.summary, rows.summary);
    let lengths: Vec<usize> = table.blocks.iter().map(|block| block.score.len()).collect();
    assert_eq!(lengths, [BLOCK_ROWS, BLOCK_ROWS, 10]);
    let mut expected = rows.verdicts.chunks(BLOCK_ROWS);
    for block in &table.blocks {
        assert_eq!(block, &block_of(expected.next().context("a block")?)?);
    }
    assert!(table.summary.alarms > 0);
    Ok(())
}

/// The block that says the same as `rows`.
fn block_of(rows: &[JudgedReply]) -> anyhow::Result<VerdictBlock> {
    let mut block = VerdictBlock::default();
    for row in rows {
        let (verdict, online) = (&row.verdict, row.online.as_ref().context("online")?);
        block.anomaly.push(verdict.anomaly);
        block.alarm.push(online.alarm);
        block.score.push(verdict.score);
        block.p_value.push(verdict.p_value);
        block.severity.push(verdict.severity);
        block.expected.push(verdict.expected);
        block.lower.push(verdict.lower);
        block.upper.push(verdict.upper);
        block.direction.push(verdict.direction);
        block.ratio.push(online.ratio);
        block.about.push(online.about);
        let told = verdict.anomaly || online.alarm;
        block.reason.push(told.then(|| verdict.reason.clone()));
    }
    Ok(block)
}

#[tokio::test]
async fn columns_name_the_gaps_and_are_not_lines() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let values = values(60);
    let timestamps: Vec<i64> = (0..60).map(|i| if i < 30 { i } else { i + 5 }).collect();
    let body = json!({
        "timestamps": timestamps, "values": values, "train": 20, "form": "columns",
    });
    let reply = fixture.post("/v1/detect", &body.to_string()).await?;
    let columns: ColumnarDetectReply = serde_json::from_str(&reply.text)?;
    assert_eq!(columns.summary.gaps, [(29, 35)]);
    assert_eq!(columns.expected.len(), 40);
    let lines = [("accept", LINES)];
    for form in ["columns", "table"] {
        let body = body.to_string().replace("columns", form);
        let reply = fixture.send("POST", "/v1/detect", &lines, &body).await?;
        let detail = format!(
            "Invalid request payload: form: {form} means one JSON object, and the request accepts \
             lines"
        );
        assert_eq!(reply.refusal(), (400, "invalid_payload", &*detail));
    }
    Ok(())
}

/// Status, code and sentence of the refusal.
fn refusal(reply: &Reply) -> (u16, &str, &str) {
    reply.refusal()
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_by_name() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let constant = vec![1.0; 20];
    for (body, code, detail) in [
        (
            "{".to_owned(),
            "invalid_payload",
            "Invalid request payload: ",
        ),
        (
            body(&values(20), &json!({"note": 1})),
            "invalid_payload",
            "Invalid request payload: unknown field `note`",
        ),
        (
            body(&values(20), &json!({"train": 20})),
            "invalid_payload",
            "Invalid request payload: train: 20 of 20 points",
        ),
        (
            body(&values(20), &json!({"context": {}})),
            "invalid_payload",
            "Invalid request payload: unknown field `context`",
        ),
        (
            body(&values(10), &json!({})),
            "insufficient_data",
            "Insufficient or constant data",
        ),
        (
            body(&constant, &json!({"train": 9})),
            "constant_data",
            "Insufficient or constant data",
        ),
        (
            body(
                &values(20),
                &json!({"train": 10, "params": {"nonsense": 1}}),
            ),
            "invalid_params",
            "Parameter nonsense ",
        ),
    ] {
        for accept in ["*/*", LINES] {
            let headers = [("accept", accept)];
            let reply = fixture.send("POST", "/v1/detect", &headers, &body).await?;
            let (status, said, sentence) = refusal(&reply);
            assert_eq!((status, said), (400, code), "{sentence}");
            assert!(sentence.starts_with(detail), "{sentence}");
            let problem = "application/problem+json";
            assert_eq!(reply.headers[header::CONTENT_TYPE], problem);
        }
    }
    Ok(())
}

#[tokio::test]
async fn neither_query_nor_other_methods_nor_long_bodies_are_taken() -> anyhow::Result<()> {
    let detect = DetectSettings {
        max_body_bytes: 1_000,
        ..DetectSettings::default()
    };
    let settings = Settings {
        detect,
        ..Settings::default()
    };
    let fixture = Fixture::with(settings).await?;
    let good = body(&values(20), &json!({"train": 10}));
    let query = fixture.post("/v1/detect?train=5", &good).await?;
    let detail = "Unknown query parameter: train";
    assert_eq!(query.refusal(), (400, "invalid_parameter", detail));
    let method = fixture.send("PUT", "/v1/detect", &[], &good).await?;
    assert_eq!(method.headers[header::ALLOW], "POST");
    let long = fixture.post("/v1/detect", &" ".repeat(1_001)).await?;
    assert_eq!(long.refusal().1, "body_too_large");
    assert_eq!(fixture.post("/v1/detect", &good).await?.status, 200);
    Ok(())
}

#[tokio::test]
async fn a_hundred_thousand_points_come_back_in_order() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let body = body(&values(100_000), &json!({"detector": "robust"}));
    let mut lines = detect_in_lines(&fixture, &body).await?;
    let Some(DetectLine::Summary { summary }) = lines.pop() else {
        anyhow::bail!("no summary")
    };
    assert_eq!((summary.train, lines.len()), (750, 99_250));
    let mut anomalies = 0;
    for (line, index) in lines.iter().zip(750_i64..) {
        let DetectLine::Verdict(JudgedReply {
            timestamp,
            verdict: VerdictReply { anomaly, .. },
            ..
        }) = line
        else {
            anyhow::bail!("{line:?}")
        };
        assert_eq!(*timestamp, index * 60);
        anomalies += u64::from(*anomaly);
    }
    assert_eq!(anomalies, summary.anomalies);
    let reply = detect(&fixture, &body).await?;
    assert_eq!(reply.verdicts.len(), 99_250);
    assert_eq!(reply.summary, summary);
    Ok(())
}
