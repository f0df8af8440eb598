//! Messages, encoded here as a sender does.

use contract::Transform;

use super::*;

/// The value that says that a series has ended.
const STALE: u64 = 0x7ff0_0000_0000_0002;

/// A field of bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![number << 3 | 2];
    varint(&mut message, bytes.len() as u64);
    message.extend_from_slice(bytes);
    message
}

fn varint(message: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

/// A series with these labels and samples.
fn series(labels: &[(&str, &str)], samples: &[(i64, f64)]) -> Vec<u8> {
    let mut message = Vec::new();
    for (name, value) in labels {
        let label = [field(1, name.as_bytes()), field(2, value.as_bytes())].concat();
        message.extend(field(1, &label));
    }
    for (timestamp, value) in samples {
        let mut sample = vec![0x09];
        sample.extend_from_slice(&value.to_le_bytes());
        sample.push(0x10);
        varint(&mut sample, timestamp.cast_unsigned());
        message.extend(field(2, &sample));
    }
    field(1, &message)
}

fn known(hashes: &[u64]) -> DescribedSeries {
    let mut known = DescribedSeries::default();
    known.add(hashes);
    known
}

#[test]
fn labels_come_before_points_and_once() {
    let requests = [("__name__", "requests_total"), ("host", "a1")];
    let message = [
        series(&requests, &[(1_000, 5.0), (2_000, 7.0)]),
        series(&[("__name__", "up")], &[(-1, 0.0)]),
        // Metadata.
        field(3, b"whatever"),
    ]
    .concat();
    let first = written(&message, &known(&[])).unwrap();
    let described = first.described.clone();
    assert_eq!((described.len(), first.points.len()), (2, 3));
    let point = Point {
        timestamp: -1,
        value: 0.0,
    };
    assert_eq!(first.points[2].1, point);
    let records = first.records();
    let PointsRecord::Control { series_id, control } = &records[0] else {
        panic!("{records:?}");
    };
    assert!(series_id.as_str().starts_with("requests_total:"));
    let StreamControl::Defaults(options) = &**control else {
        panic!("{control:?}");
    };
    assert_eq!(options.transform, Some(Transform::Rate));
    assert_eq!(options.labels["host"], "a1");
    assert_eq!(options.labels["__name__"], "requests_total");
    let again = written(&message, &known(&described)).unwrap();
    assert_eq!((again.defaults.len(), again.points.len()), (0, 3));
}

#[test]
fn ends_are_told_and_other_values_without_meaning_are_left_out() {
    let stale = f64::from_bits(STALE);
    let name = |name| [("__name__", name)];
    let message = [
        series(&name("over"), &[(1, 1.0), (2, stale)]),
        series(&name("back"), &[(1, stale), (2, 1.0)]),
        series(&name("odd"), &[(1, f64::NAN), (2, f64::INFINITY)]),
        series(&name("none"), &[]),
    ]
    .concat();
    let written = written(&message, &known(&[])).unwrap();
    assert_eq!((written.stale, written.skipped), (2, 2));
    assert_eq!((written.points.len(), written.defaults.len()), (2, 2));
    let records = written.records();
    let Some(PointsRecord::Control { series_id, control }) = records.last() else {
        panic!("{records:?}");
    };
    assert!(series_id.as_str().starts_with("over:"));
    assert_eq!(**control, StreamControl::Stale {});
    assert_eq!(records.len(), 5, "{records:?}");
}

#[test]
fn what_cannot_be_read_is_refused_before_it_takes_memory() {
    let packed = |message: &[u8]| snap::raw::Encoder::new().compress_vec(message).unwrap();
    let whole = packed(&series(&[("__name__", "up")], &[(1, 1.0)]));
    assert!(request::unpack(&whole).is_ok());
    for body in [&b""[..], b"\xff\xff", &whole[..whole.len() - 1]] {
        let refused = request::unpack(body);
        assert!(matches!(refused, Err(Error::BadBody(_))), "{refused:?}");
    }
    // It says that it has 65 MiB, and nothing follows.
    let mut long = Vec::new();
    varint(&mut long, 65 << 20);
    let refused = request::unpack(&long);
    assert!(matches!(refused, Err(Error::TooLarge(_))), "{refused:?}");
    let many = field(1, &[0x12, 0].repeat(500_001));
    let refused = written(&many, &known(&[]));
    assert!(matches!(refused, Err(Error::TooLarge(_))), "{refused:?}");
    for message in [
        &[0x0a, 9][..],
        &field(1, &field(1, &field(1, b"\xff"))),
        b"\x0b",
    ] {
        let refused = written(message, &known(&[]));
        assert!(matches!(refused, Err(Error::BadBody(_))), "{refused:?}");
    }
}

#[test]
fn only_version_2_is_another_version() {
    let mut headers = HeaderMap::new();
    assert!(check_version(&headers).is_ok());
    for (kind, is_taken) in [
        ("application/x-protobuf", true),
        ("application/x-protobuf;proto=prometheus.WriteRequest", true),
        (
            "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            false,
        ),
    ] {
        headers.insert(CONTENT_TYPE, kind.parse().unwrap());
        assert_eq!(check_version(&headers).is_ok(), is_taken, "{kind}");
    }
}
