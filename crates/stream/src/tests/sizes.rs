//! The sizes that docs/streams.md promises.

use super::*;

/// The bytes that a stream of `detector` takes in memory and stored, after `points`.
fn sizes(detector: DetectorName, points: usize) -> (usize, usize) {
    let mut stream = stream(&options(detector, 750));
    for point in series(1, points) {
        observe(&mut stream, point, &mut Findings::default());
    }
    let sizes = (stream.memory_bytes(), stream.to_bytes().len());
    eprintln!("{detector} after {points}: {sizes:?}");
    sizes
}

#[test]
fn streams_are_as_small_as_the_documents_say() {
    for (detector, points, in_memory, stored) in [
        (DetectorName::Auto, 749, 70 << 10, 64 << 10),
        (DetectorName::Auto, 2_000, 64 << 10, 60 << 10),
        (DetectorName::Seasonal, 2_000, 10 << 10, 11 << 10),
        (DetectorName::Ewma, 2_000, 5 << 10, 5 << 10),
        (DetectorName::Robust, 2_000, 4 << 10, 4_500),
        (DetectorName::Sigma, 2_000, 4 << 10, 4_500),
    ] {
        let (memory, bytes) = sizes(detector, points);
        assert!(memory <= in_memory, "{detector}: {memory} bytes in memory");
        assert!(bytes <= stored, "{detector}: {bytes} bytes stored");
    }
}
