use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;

use super::*;
use crate::render::count;

/// The cases that hold for the dashboard's page too.
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../dashboard/cases/csv.json");

#[derive(Deserialize)]
struct Table {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    text: Option<String>,
    utf16le: Option<String>,
    base64: Option<String>,
    #[serde(default)]
    timestamps: Vec<i64>,
    #[serde(default)]
    values: Vec<f64>,
    #[serde(default)]
    skipped: usize,
    first_bad: Option<u64>,
    header: Option<bool>,
    error: Option<String>,
}

impl Case {
    fn bytes(&self) -> Vec<u8> {
        match (&self.text, &self.utf16le, &self.base64) {
            (Some(text), ..) => text.clone().into_bytes(),
            (_, Some(text), _) => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            (.., base64) => BASE64_STANDARD.decode(base64.as_ref().unwrap()).unwrap(),
        }
    }

    fn check(&self) {
        let name = &self.name;
        let file = SeriesFile::parse(&self.bytes(), &FormArgs::default());
        if let Some(error) = &self.error {
            let said = file.unwrap_err().to_string();
            let is_said = said.to_lowercase().contains(&error.to_lowercase());
            assert!(is_said, "{name}: {said}");
            return;
        }
        let file = file.unwrap_or_else(|error| panic!("{name}: {error}"));
        let guess = file.guess.to_string();
        let timestamps: Vec<i64> = file.points.iter().map(|p| p.timestamp).collect();
        let values: Vec<f64> = file.points.iter().map(|p| p.value).collect();
        assert_eq!(timestamps, self.timestamps, "{name}: {guess}");
        assert_eq!(values, self.values, "{name}: {guess}");
        match self.first_bad {
            None => assert!(!guess.contains("left out"), "{name}: {guess}"),
            Some(line) => {
                let rows = count(self.skipped, "row");
                let told = format!("left out {rows}, the first on line {line},");
                assert!(guess.contains(&told), "{name}: {guess}");
            }
        }
        let no_header = guess.contains("no line of names");
        assert_eq!(!no_header, self.header.unwrap_or(true), "{name}: {guess}");
    }
}

#[test]
fn files_are_read_as_the_table_of_cases_says() {
    let table = std::fs::read_to_string(CASES).unwrap();
    let Table { cases } = serde_json::from_str(&table).unwrap();
    assert!(cases.len() >= 60, "{}", cases.len());
    for case in &cases {
        case.check();
    }
}

/// The file `text`, read in this form.
fn read(text: &str, form: &FormArgs) -> Result<SeriesFile, String> {
    SeriesFile::parse(text.as_bytes(), form).map_err(|error| error.to_string())
}

fn pairs(file: &SeriesFile) -> Vec<(i64, f64)> {
    let pair = |p: &Point| (p.timestamp, p.value);
    file.points.iter().map(pair).collect()
}

#[test]
fn the_guess_is_told_in_a_line() {
    for (text, told) in [
        (
            "Datum;Wert;Druck\n31.05.2024 13:45;103,86;5\n1.6.2024 0:00;oops;5\n31.05.2024 13:44;1;5\n1.6.2024 1:00;1;6\n1.6.2024 2:00;1;8\n1.6.2024 3:00;2;9\n",
            r#"5 rows: delimiter ';', decimal comma, times in "Datum" (as "31.05.2024 13:45", day first, UTC), values in "Wert", not "Druck" (--value-column), sorted by time, left out 1 row, the first on line 3, column Wert: "oops" is not a number"#,
        ),
        (
            "12.5\n13\n",
            r#"2 rows: no line of names, no times: rows are counted, values in "column 1""#,
        ),
        (
            "heat\n12.5 °C\n13 °C\n",
            r#"2 rows: no times: rows are counted, values in "heat" in °C"#,
        ),
        (
            "date\thour\ty\n2024-05-31\t0\t1\n2024-05-31\t1\t2\n",
            r#"2 rows: delimiter tab, times in "date" "hour" (as "2024-05-31", UTC), values in "y""#,
        ),
        (
            "t,v\n2024-05-31T13:45:00Z,1\n",
            r#"1 row: delimiter ',', times in "t" (as "2024-05-31T13:45:00Z"), values in "v""#,
        ),
    ] {
        let file = read(text, &FormArgs::default()).unwrap();
        assert_eq!(file.guess.to_string(), told);
    }
}

#[test]
fn options_win_over_guesses() {
    let form = |change: &dyn Fn(&mut FormArgs)| {
        let mut form = FormArgs::default();
        change(&mut form);
        form
    };
    let column = |name: &str| vec![name.to_owned()];
    for (text, form, expected) in [
        (
            "timestamp,value,when,load\n1,2,3,4\n",
            form(&|f| {
                f.time_column = column("when");
                f.value_column = Some("load".into());
            }),
            (3, 4.0),
        ),
        (
            "t;v\n1;1,234\n",
            form(&|f| f.decimal = Some(Decimal::Point)),
            (1, 1234.0),
        ),
        (
            "t;v,w\n0;1,7\n",
            form(&|f| f.delimiter = Some(b',')),
            (0, 7.0),
        ),
        (
            "t,v\n1/3/2024,5\n",
            form(&|f| f.time_format = Some("%d/%m/%Y".into())),
            (1_709_251_200, 5.0),
        ),
        (
            "t,v\n2024-06-01 12:00,5\n",
            form(&|f| f.timezone = "Europe/Berlin".parse().ok()),
            (1_717_236_000, 5.0),
        ),
        (
            "t,v\n2024-06-01 12:00Z,5\n",
            form(&|f| f.timezone = "Europe/Berlin".parse().ok()),
            (1_717_243_200, 5.0),
        ),
        (
            "day,at,v\n2024-06-01,01:00,5\n",
            form(&|f| f.time_column = vec!["day".into(), "at".into()]),
            (1_717_203_600, 5.0),
        ),
        (
            "7,8\n",
            form(&|f| f.value_column = Some("2".into())),
            (7, 8.0),
        ),
    ] {
        assert_eq!(pairs(&read(text, &form).unwrap()), [expected], "{text}");
    }
}

#[test]
fn an_hour_that_comes_twice_is_told_apart_by_the_rows_before() {
    let form = FormArgs {
        timezone: "Europe/Berlin".parse().ok(),
        ..FormArgs::default()
    };
    let text =
        "t,v\n2024-10-27 01:30,1\n2024-10-27 02:30,2\n2024-10-27 02:30,3\n2024-10-27 03:30,4\n";
    let file = read(text, &form).unwrap();
    let first = 1_729_985_400;
    let hours = (0..4).map(|i| (first + i64::from(i) * 3_600, f64::from(i) + 1.0));
    assert_eq!(pairs(&file), hours.collect::<Vec<_>>());
}

#[test]
fn errors_quote_the_line_and_offer_an_option() {
    let strict = FormArgs {
        strict: true,
        ..FormArgs::default()
    };
    let loose = FormArgs::default();
    let missing = FormArgs {
        value_column: Some("cpu".into()),
        ..FormArgs::default()
    };
    let told = FormArgs {
        time_format: Some("%d.%m.%y".into()),
        ..FormArgs::default()
    };
    for (text, form, error) in [
        (
            "timestamp,value\n1,1\n\n2,x\n3,1\n4,1\n5,1\n6,1\n",
            &strict,
            "line 4, column value: \"x\" is not a number\n  4 | 2,x\n  --value-column NAME reads another column; without --strict such rows are left out",
        ),
        (
            "timestamp,value\nsoon,1\n",
            &loose,
            "line 2, column timestamp: \"soon\" is not a time\n  2 | soon,1\n  --time-format '%d.%m.%Y %H:%M' says how times are written, --time-column NAME where",
        ),
        (
            "date,value\n2024-01-01,1\n",
            &told,
            "line 2, column date: \"2024-01-01\" is not a time\n",
        ),
        (
            "time,value\n1,103,86\n2,104,5\n",
            &loose,
            "line 2, column value: \"103\" is cut: its row has more cells than the first line\n  2 | 1,103,86\n  --delimiter",
        ),
        (
            "time,value\n1,a\n",
            &loose,
            "no column holds numbers only\n  line 2, column value: \"a\" is not a number\n  2 | 1,a\n  --value-column",
        ),
        (
            "timestamp,value\n1,2\n",
            &missing,
            "no column \"cpu\"; the columns are \"timestamp\", \"value\". Name one with --value-column",
        ),
        (
            "t,v\n1,\"2\n",
            &loose,
            "line 2: a quote begins here and does not end",
        ),
        (
            "timestamp,value\n",
            &loose,
            "the file has no rows with points",
        ),
    ] {
        let said = read(text, form).unwrap_err();
        assert!(said.starts_with(error), "{text}: {said}");
    }
}

#[test]
fn rows_of_several_columns_go_together() {
    let names = ["b".to_owned(), "a".to_owned()];
    let text = "t,a,b\n2,1,10\n1,2,20\n3,,30\n4,3,40\n5,3,50\n6,3,50\n";
    let Parsed {
        timestamps,
        columns,
        guess,
        ..
    } = parse(text.as_bytes(), &FormArgs::default(), &names).unwrap();
    assert_eq!(timestamps, [1, 2, 4, 5, 6]);
    assert_eq!(
        columns[0],
        ("b".to_owned(), vec![20.0, 10.0, 40.0, 50.0, 50.0])
    );
    assert_eq!(columns[1].1, [2.0, 1.0, 3.0, 3.0, 3.0]);
    assert!(guess.to_string().contains("left out 1 row"), "{guess}");
}

fn live(lines: &[&str]) -> (Vec<(i64, f64)>, Vec<String>) {
    let mut reader = LiveReader::new(FormArgs::default());
    let (mut points, mut faults) = (Vec::new(), Vec::new());
    for line in lines {
        match reader.read(line) {
            Ok(row) => points.extend(row.map(|row| (row.stamp.ticks(0).unwrap(), row.value))),
            Err(fault) => faults.push(fault.in_short()),
        }
    }
    (points, faults)
}

#[test]
fn lines_are_read_as_they_come() {
    let (points, faults) = live(&["# x", "t,v", "1,5\r\n", "", "2,6", "t,v", "3,x", "4,7"]);
    assert_eq!(points, [(1, 5.0), (2, 6.0), (4, 7.0)]);
    assert_eq!(faults, [r#"line 7, column v: "x" is not a number"#]);
    // A later line may tell what the first left open.
    let (points, faults) = live(&["5;10", "6;10,5"]);
    assert_eq!((points, faults.len()), (vec![(5, 10.0), (6, 10.5)], 0));
    let (points, _) = live(&["7", "8.5"]);
    assert_eq!(points, [(0, 7.0), (1, 8.5)]);
}
