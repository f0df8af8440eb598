#!/usr/bin/env python3
"""What a request costs in every form of the platform, beside references, in one run.

The measure is CPU: user and system time of each process over a run of wrk, from /proc/PID/stat,
divided by the requests that wrk counted. Forms and references take turns, round by round. The
report has the median and the range over the rounds, with requests per second and latency.

Forms
  standalone           the five services in one process
  distributed          gateway and predictor, with trainer and consumers beside them, over Kafka,
                       Postgres and Redis
References
  bare axum            one route that parses the point and answers a verdict
                       (benchmark/bare)
  nginx + bare axum    nginx proxying to it
  nginx + predictor    nginx proxying to the predictor of the distributed form

Then fits, batches and detections of many points are timed. Needs wrk; nginx is left out where it
is not installed. Every server has one worker, so that idle threads add nothing to the cost of a
request. Builds as for images, and starts Kafka, Postgres and Redis (.ci/servers.sh) unless
TEST_KAFKA_BROKERS, TEST_DATABASE_URL and TEST_REDIS_URL say where they are.
"""

import itertools
import json
import statistics
import time

from lib.client import bulk_body, call, fit_body, wait_ready
from lib.forms import PORTS, start_all
from lib.load import measure, summarise, warm_up
from lib.paths import BIN
from lib.processes import log, memory_kb, resident_mb
from lib.session import arguments, machine, session, write


def fit_figures(processes):
    """Time of big fits until the reply, and the peak memory of all our processes afterwards."""
    figures = []
    forms = {
        "standalone": ["standalone"],
        "distributed": [
            "gateway",
            "trainer",
            "predictor",
            "metrics-consumer",
            "training-data-consumer",
        ],
    }
    for form, ours in forms.items():
        port = PORTS["standalone" if form == "standalone" else "gateway"]
        for detector, points in itertools.product(("sigma", "auto"), (10_000, 100_000, 1_000_000)):
            body = fit_body(detector, points)
            times = []
            for _ in range(5 if points < 1_000_000 else 3):
                started = time.perf_counter()
                call(port, "POST", f"/fit/{detector}_{points}", body)
                times.append((time.perf_counter() - started) * 1000)
            peak = {p: memory_kb(processes.children[p].pid, "VmHWM") // 1024 for p in ours}
            figures.append(
                {
                    "form": form,
                    "detector": detector,
                    "points": points,
                    "body_mb": round(len(body) / 1e6, 1),
                    "median_ms": round(statistics.median(times), 1),
                    "max_ms": round(max(times), 1),
                    "peak_memory_mb": sum(peak.values()),
                    "peak_memory_mb_by_process": peak,
                }
            )
            log(
                f"fit {form} {detector} {points} points: {figures[-1]['median_ms']} ms, peak memory so far {sum(peak.values())} MB"
            )
    return figures


def bulk_figures(processes):
    """Time of calls that are about many points, until the whole reply is there."""
    figures = []
    points = 100_000
    body = bulk_body(points)
    calls = [
        ("/predict/{id}/batch", "POST", "/predict/wave/batch", {}),
        ("/v1/detect", "POST", "/v1/detect", {}),
        ("/v1/detect as NDJSON", "POST", "/v1/detect", {"accept": "application/x-ndjson"}),
        ("/plot", "GET", "/plot?series_id=wave", {}),
    ]
    for form in ("standalone", "distributed"):
        port = PORTS["standalone" if form == "standalone" else "gateway"]
        call(port, "POST", "/fit/wave", body)
        wait_ready(port, "/plot?series_id=wave")  # its points are behind those of the fits before
        for name, method, path, headers in calls:
            times = []
            for _ in range(5):
                started = time.perf_counter()
                reply = call(port, method, path, body if method == "POST" else None, headers)
                times.append(time.perf_counter() - started)
            seconds = statistics.median(times)
            figures.append(
                {
                    "form": form,
                    "call": name,
                    "points": points,
                    "reply_mb": round(len(reply) / 1e6, 1),
                    "median_ms": round(seconds * 1000, 1),
                    "max_ms": round(max(times) * 1000, 1),
                    "points_per_second": round(points / seconds),
                }
            )
            log(f"{form} {name}, {points} points: {figures[-1]['median_ms']} ms")
    return figures


def main():
    parser = arguments(__doc__, rounds=5, seconds=5)
    parser.add_argument("--connections", type=int, nargs="+", default=[64])
    parser.add_argument(
        "--no-fit", action="store_true", help="leave the big fits, batches and detections out"
    )
    parser.add_argument(
        "--fit-only", action="store_true", help="only these; the rest of the results stays as it is"
    )
    args = parser.parse_args()
    with session(args) as processes:
        forms, start_ms = start_all(processes)
        script = warm_up(processes, forms)
        idle = resident_mb(processes)
        rows = [] if args.fit_only else measure(processes, forms, script, args)
        busy = resident_mb(processes)
        fits = [] if args.no_fit else fit_figures(processes)
        bulk = [] if args.no_fit else bulk_figures(processes)
    if args.fit_only:
        write(
            args.out,
            "saturation",
            json.loads((args.out / "saturation.json").read_text()) | {"fit": fits, "bulk": bulk},
        )
        return
    sizes = {
        b: round((BIN / b).stat().st_size / 1e6, 1)
        for b in (
            "gateway",
            "trainer",
            "predictor",
            "metrics-consumer",
            "training-data-consumer",
            "init",
            "standalone",
            "anomaly",
        )
    }
    report = {
        "machine": machine(),
        "rounds": args.rounds,
        "seconds": args.seconds,
        "standalone_start_ms": round(start_ms, 1),
        "summary": summarise(rows),
        "fit": fits,
        "bulk": bulk,
        "resident_mb_idle": idle,
        "resident_mb_after_load": busy,
        "binary_mb": sizes,
    }
    write(args.out, "saturation", report, rows=rows)


if __name__ == "__main__":
    main()
