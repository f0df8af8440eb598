"""Measures `detect` on a frame: `python tools/speed.py [POINTS]`, against ANOMALY_URL."""

import statistics
import sys
import time

import numpy
import pandas
import polars

from anomaly import Client

RUNS = 7


def main() -> None:
    """Prints the median over the runs, in seconds."""
    points = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    chance = numpy.random.default_rng(1)
    index = pandas.date_range("2024-01-01", periods=points, freq="min", tz="UTC")
    rhythm = 20 + 5 * numpy.sin(numpy.arange(points) * 2 * numpy.pi / 1440)
    series = pandas.Series(rhythm + chance.normal(0, 0.5, points), index=index, name="value")
    frame = polars.DataFrame(
        {"time": polars.Series(index.tz_localize(None)), "value": series.to_numpy()}
    )
    frame = frame.with_columns(polars.col("time").dt.replace_time_zone("UTC"))
    with Client(timeout=300) as client:
        for data in (series, frame):
            took = []
            for _ in range(RUNS):
                start = time.perf_counter()
                out = client.detect(data)
                took.append(time.perf_counter() - start)
            assert len(out) == points
            print(f"{type(out).__module__}: {points} points in {statistics.median(took):.3f} s")


if __name__ == "__main__":
    main()
