//! Streams as bytes: exact at every stage, refused when damaged, and read from the format before.

use std::io::Read as _;

use contract::Transform;
use flate2::read::GzDecoder;
use proptest::prelude::*;

use super::*;
use crate::{BadStream, FORMAT, given::Remembered};

fn text_of(gz: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    GzDecoder::new(gz).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Streams of format 1 after 304 of 400 points, with two that wait for earlier ones, and the verdicts
/// that they gave on the rest when they were written. They must load as long as there are
/// installations that stored such.
#[test]
fn format_1_keeps_loading_and_judging() {
    let streams: [(&[u8], &[u8]); 2] = [
        (
            include_bytes!("fixtures/format_1_auto.gz"),
            include_bytes!("fixtures/format_1_auto.verdicts.gz"),
        ),
        (
            include_bytes!("fixtures/format_1_robust.gz"),
            include_bytes!("fixtures/format_1_robust.verdicts.gz"),
        ),
    ];
    for (stored, verdicts) in streams {
        let mut stream = Stream::from_bytes(&text_of(stored)).unwrap();
        let again = Stream::from_bytes(&stream.to_bytes()).unwrap();
        assert_eq!(again, stream);
        let verdicts = String::from_utf8(text_of(verdicts)).unwrap();
        let mut verdicts = verdicts.lines();
        for point in &series(11, 400)[304..] {
            observe(&mut stream, *point, &mut Findings::default());
            let last = stream.clock.last().unwrap().timestamp;
            let expected: Remembered = serde_json::from_str(verdicts.next().unwrap()).unwrap();
            assert_eq!(stream.clock.given_at(last), Some(expected.given()));
        }
    }
}

/// A life of a stream: options, and points of which some are late, double or far out.
fn life() -> impl Strategy<Value = (StreamOptions, Vec<Point>, usize)> {
    let detector = prop::sample::select(DetectorName::ALL);
    let lateness = prop::option::of(1..3_000_i64);
    let transform = prop::option::of(Just(Transform::Rate));
    let points = (any::<u64>(), 1..180_usize).prop_map(|(seed, n)| {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut points = series(seed, n);
        for i in 1..n {
            match random.u8(..40) {
                0 => points.swap(i, i - 1),
                1 => points[i] = points[i - 1],
                2 => points[i].value = f64::MAX,
                3 => points[i].value = -0.0,
                // Far out, but a record of that time can still be dated.
                4 => points[i].timestamp = 250_000_000_000,
                _ => {}
            }
        }
        points
    });
    let all = (
        detector,
        lateness,
        transform,
        5..120_u64,
        points,
        any::<usize>(),
    );
    all.prop_map(|(detector, lateness, transform, warmup, points, at)| {
        let options = StreamOptions {
            lateness,
            transform,
            ..options(detector, warmup)
        };
        (options, points, at)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn bytes_bring_back_the_same_stream_whatever_it_has_seen((options, points, at) in life()) {
        let mut stream = stream(&options);
        let mut again = None;
        for (i, point) in points.iter().enumerate() {
            if i == at % points.len() {
                let bytes = stream.to_bytes();
                let read = Stream::from_bytes(&bytes).unwrap();
                prop_assert_eq!(&read, &stream);
                prop_assert_eq!(read.to_bytes(), bytes);
                again = Some(read);
            }
            let mut findings = Findings::default();
            let reply = text(&observe(&mut stream, *point, &mut findings));
            if let Some(again) = &mut again {
                let mut same = Findings::default();
                prop_assert_eq!(text(&observe(again, *point, &mut same)), reply);
                prop_assert_eq!(format!("{same:?}"), format!("{findings:?}"));
            }
        }
        prop_assert_eq!(again.unwrap().to_bytes(), stream.to_bytes());
    }

    #[test]
    fn damaged_bytes_are_refused(at in any::<prop::sample::Index>(), bit in 0..8_u8, cut in any::<prop::sample::Index>()) {
        let bytes = ready().to_bytes();
        let mut changed = bytes.clone();
        changed[at.index(bytes.len())] ^= 1 << bit;
        prop_assert!(Stream::from_bytes(&changed).is_err());
        prop_assert!(Stream::from_bytes(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn bytes_that_never_were_a_stream_are_refused_whatever_they_claim(
        at in any::<prop::sample::Index>(),
        junk in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        // With a checksum that is right, so that all the rest is put to the test.
        let mut bytes = ready().to_bytes();
        let at = 5 + at.index(bytes.len() - 5);
        let end = (at + junk.len()).min(bytes.len());
        bytes.splice(at..end, junk);
        let sum = crc32fast::hash(&bytes[5..]);
        bytes[1..5].copy_from_slice(&sum.to_le_bytes());
        if let Ok(mut stream) = Stream::from_bytes(&bytes) {
            // Whatever it is, it goes on.
            for point in &series(2, 60)[40..] {
                observe(&mut stream, *point, &mut Findings::default());
            }
        }
    }
}

fn ready() -> Stream {
    let mut stream = stream(&options(DetectorName::Robust, 30));
    for point in &series(2, 40) {
        observe(&mut stream, *point, &mut Findings::default());
    }
    stream
}

#[test]
fn other_formats_are_named() {
    let mut bytes = ready().to_bytes();
    assert_eq!(i32::from(bytes[0]), FORMAT);
    bytes[0] += 1;
    let read = Stream::from_bytes(&bytes);
    assert!(matches!(read, Err(BadStream::UnknownFormat)), "{read:?}");
    assert!(Stream::from_bytes(b"").is_err());
    // A list that claims to have more members than there are bytes in the world.
    let mut claims = vec![2, 0, 0, 0, 0, 0x9b];
    claims.extend([0xff; 8]);
    let sum = crc32fast::hash(&claims[5..]);
    claims[1..5].copy_from_slice(&sum.to_le_bytes());
    assert!(Stream::from_bytes(&claims).is_err());
}
