#!/usr/bin/env python3
"""How fast the consumers work off a backlog in Kafka.

Builds as for images, and starts Kafka, Postgres and Redis (.ci/servers.sh) unless
TEST_KAFKA_BROKERS, TEST_DATABASE_URL and TEST_REDIS_URL say where they are. While no consumer runs

  training data    series of a million points each are fitted
  metrics          wrk asks for predictions, of five series and then of many (--series)

Then one consumer of each kind is started. Its progress is read every few milliseconds, later every
50. The time runs from the last reading at which nothing was applied to the first at which all was.
At the end Postgres must have every point, and Redis every prediction, exactly once.

Results go to results/consumers.json, tables to consumers.md. Needs wrk and psql.
"""

import json
import re
import socket
import time

from lib.client import call, fit_body, metric, wait_ready
from lib.forms import PORTS, Database, start_gateway
from lib.load import DONE, wrk
from lib.paths import BIN
from lib.processes import cpu_seconds, log, memory_kb
from lib.session import arguments, machine, session, write

ADMIN = {"predictor": 18120, "metrics-consumer": 18121, "training-data-consumer": 18122}
PATIENCE = 300
PREDICTIONS = "anomaly_predictor_predictions_total"
STORED = "SELECT count(*) FROM training_data"


class Platform:
    """The distributed form, of which the consumers come and go."""

    def __init__(self, processes):
        self.processes = processes
        self.database = Database("benchmark_consumers", processes)
        self.env = self.database.initialised()
        processes.start(
            "trainer", [BIN / "trainer"], **self.env, APP_PORT=PORTS["trainer"], ADMIN_PORT=0
        )
        processes.start(
            "predictor",
            [BIN / "predictor"],
            **self.env,
            APP_PORT=PORTS["predictor"],
            ADMIN_PORT=ADMIN["predictor"],
        )
        start_gateway(processes, [PORTS["predictor"]])

    def work_off(self, consumer, applied, expected):
        """Starts a `consumer` and waits until `applied()` is `expected`.

        Returns the seconds that took, the consumer's CPU time and its peak memory.
        """
        self.processes.start(consumer, [BIN / consumer], **self.env, ADMIN_PORT=ADMIN[consumer])
        wait_ready(ADMIN[consumer])
        pids, deadline = self.processes.pids(consumer), time.monotonic() + PATIENCE
        began, done = None, 0
        while done < expected:
            look, done = (time.monotonic(), cpu_seconds(pids)), applied()
            if done == 0 or began is None:
                began = look
            if look[0] > deadline:
                raise SystemExit(f"{consumer} applied {done} of {expected} in {PATIENCE} s")
            # Looks cost the platform CPU: fewer of them where it has a lot to do.
            time.sleep(0.002 if look[0] - began[0] < 1 else 0.05)
        seconds, cpu = time.monotonic() - began[0], cpu_seconds(pids) - began[1]
        peak = memory_kb(self.processes.children[consumer].pid, "VmHWM") / 1024
        self.processes.stop(lambda name: name == consumer)
        return {
            "seconds": round(seconds, 3),
            "cpu_s": round(cpu, 2),
            "peak_memory_mb": round(peak, 1),
        }


class Redis:
    """Just enough of a client."""

    def __init__(self, url, prefix):
        host, port = re.match(r"redis://([^:/]+):(\d+)", url).groups()
        self.stream = socket.create_connection((host, int(port))).makefile("rwb")
        self.slots = f"{prefix}metrics:inference:*"

    def ask(self, *words):
        self.stream.write(
            b"*%d\r\n" % len(words)
            + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in map(str.encode, words))
        )
        self.stream.flush()
        return self.reply()

    def reply(self):
        line = self.stream.readline().strip()
        kind, rest = line[:1], line[1:].decode()
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind == b"$" and rest != "-1":
            return self.stream.read(int(rest) + 2)[:-2].decode()
        if kind == b"-":
            raise SystemExit(f"redis: {rest}")
        return rest if rest != "-1" else None

    def forget(self):
        for key in self.ask("KEYS", self.slots):
            self.ask("DEL", key)

    def counted(self):
        """Predictions that are in the running figures."""
        return sum(int(self.ask("HGET", key, "count") or 0) for key in self.ask("KEYS", self.slots))


def training_data(platform, args):
    rows, body = [], fit_body("sigma", 1_000_000)
    for turn in range(args.rounds):
        before = int(platform.database.ask(STORED))
        for n in range(args.fits):
            call(PORTS["gateway"], "POST", f"/fit/big_{n}", body)
        points = args.fits * 1_000_000
        consumer = "training-data-consumer"
        took = platform.work_off(
            consumer,
            lambda: metric(ADMIN[consumer], "anomaly_training_data_consumer_points_stored_total"),
            points,
        )
        stored = int(platform.database.ask(STORED)) - before
        if stored != points:
            raise SystemExit(f"{stored} of {points} points are stored")
        rows.append({"points": points, **took, "rows_per_second": round(points / took["seconds"])})
        log(f"training data {turn + 1}/{args.rounds}: {json.dumps(rows[-1])}")
    return rows


def metrics(platform, series, args):
    redis = Redis(platform.env["REDIS_URL"], platform.env["REDIS_KEY_PREFIX"])
    for i in range(series):
        call(
            PORTS["gateway"],
            "POST",
            f"/fit/s_{i}",
            b'{"detector":"sigma","timestamps":[1,2,3],"values":[1,2,3]}',
        )
    script = platform.processes.folder / "ask.lua"
    path = f'string.format("/predict/s_%d", math.random({series}) - 1)'
    script.write_text(
        f"""request = function() return wrk.format("POST", {path}, nil, '{{"timestamp": 1, "value": 2}}') end\n"""
        + DONE
    )
    rows = []
    for turn in range(args.rounds):
        redis.forget()
        answered = metric(ADMIN["predictor"], PREDICTIONS)
        wrk(script, PORTS["gateway"], 64, args.seconds)
        time.sleep(1)  # the last are published within 100 ms
        requests = round(metric(ADMIN["predictor"], PREDICTIONS) - answered)
        took = platform.work_off("metrics-consumer", redis.counted, requests)
        if redis.counted() != requests:
            raise SystemExit(f"{redis.counted()} of {requests} predictions are counted")
        rows.append(
            {
                "series": series,
                "requests": requests,
                **took,
                "requests_per_second": round(requests / took["seconds"]),
            }
        )
        log(f"metrics of {series} series {turn + 1}/{args.rounds}: {json.dumps(rows[-1])}")
    return rows


def middle(rows, rate):
    """The row of the median rate, with the range of the rates."""
    ordered = sorted(rows, key=lambda row: row[rate])
    return {**ordered[len(ordered) // 2], "least": ordered[0][rate], "most": ordered[-1][rate]}


def tables(report):
    lines = [
        "| consumer | piled up | worked off in | a second (range) | CPU µs each | peak memory |",
        "|---|---|---|---|---|---|",
    ]
    row = middle(report["training_data"], "rows_per_second")
    lines.append(
        f"| training-data-consumer | {row['points']:,} points | {row['seconds']:.1f} s | **{row['rows_per_second']:,}** ({row['least']:,}–{row['most']:,}) rows "
        f"| {row['cpu_s'] * 1e6 / row['points']:.2f} | {row['peak_memory_mb']:.0f} MB |"
    )
    for rows in report["metrics"]:
        row = middle(rows, "requests_per_second")
        lines.append(
            f"| metrics-consumer | {row['requests']:,} predictions of {row['series']:,} series | {row['seconds']:.2f} s "
            f"| **{row['requests_per_second']:,}** ({row['least']:,}–{row['most']:,}) predictions | {row['cpu_s'] * 1e6 / row['requests']:.2f} | {row['peak_memory_mb']:.0f} MB |"
        )
    return lines


def main():
    parser = arguments(__doc__, rounds=3, seconds=20, meaning="how long predictions pile up")
    parser.add_argument("--fits", type=int, default=3, help="series of a million points in a round")
    parser.add_argument("--series", type=int, nargs="+", default=[5, 10_000])
    args = parser.parse_args()
    with session(args) as processes:
        platform = Platform(processes)
        storing = training_data(platform, args)
        counting = [metrics(platform, series, args) for series in args.series]
    report = {
        "machine": machine(),
        "rounds": args.rounds,
        "training_data": storing,
        "metrics": counting,
    }
    write(args.out, "consumers", report, tables(report))


if __name__ == "__main__":
    main()
