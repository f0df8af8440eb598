#!/usr/bin/env python3
"""What it takes to know many series: up to a million, in one run.

Builds as for images, and starts Kafka, Postgres and Redis (.ci/servers.sh) unless
TEST_KAFKA_BROKERS, TEST_DATABASE_URL and TEST_REDIS_URL say where they are. One series is fitted
with the detector sigma, and its rows in the database are copied under other ids. Then

  sizes        for 1, 1,000, 100,000 and 1,000,000 known series: how long a predictor takes to
               start and to load every model once; the memory of a model (growth of resident memory
               divided by the models); and the CPU of a request with uniform and with Zipf-
               distributed traffic (exponent 1), beside a bare axum handler; medians of the rounds
  standalone   the same with one process over SQLite, at the smallest and the largest size
  bounded      a million known series and a cache for a tenth of them: hit rate, reads of the
               database, requests/s
  shares       three predictors behind one gateway: the share of the load of each
  cold         three predictors that were just started, at 256 connections: reads of the database
               by series asked for, and the most of them at once

Results go to results/scale.json, tables to scale.md. Needs wrk and psql, and 8 GB of disk.
"""

import contextlib
import json
import re
import shutil
import sqlite3
import statistics
import subprocess
import time

from lib import forms
from lib.client import call, metric, wait_ready
from lib.forms import PORTS, start_gateway
from lib.load import DONE, wrk
from lib.paths import BIN
from lib.processes import cpu_us_by_process, log, memory_kb
from lib.session import arguments, machine, session, write

PREDICTORS = [18110, 18112, 18114]  # the admin port is the next one
ADMIN_STANDALONE = 18116
ROOMY = {"MODEL_CACHE_ENTRIES": 4_000_000, "MODEL_CACHE_BYTES": 2 << 30}
TEMPLATE = "template"

ASK = """
math.randomseed(%(seed)d)
local n, at = %(n)d, %(from)d
local pick = {
  uniform = function() return math.random(n) end,
  zipf = function() return math.min(n, math.floor((n + 1) ^ math.random())) end,
  walk = function() at = at %% n + 1; return at end,
}
request = function()
  return wrk.format("POST", string.format("/predict/series_%%07d", pick.%(pattern)s()), nil, '{"timestamp": 1693460000, "value": 10.5}')
end
"""


def ask(folder, port, pattern, n, connections, seconds, start=0, may_fail=False):
    """Requests for `n` series."""
    script = folder / "ask.lua"
    script.write_text(
        ASK % {"pattern": pattern, "n": n, "from": start, "seed": time.monotonic_ns() % 1_000_000}
        + DONE
    )
    return wrk(script, port, connections, seconds, may_fail)


def loads(admin_port):
    return round(metric(admin_port, "anomaly_predictor_model_loads_total"))


class Database(forms.Database):
    """A database that knows more and more series."""

    known = 0

    def grow(self, n):
        """Makes it know series 1 to `n`."""
        for table in ("series", "models"):
            self.ask(f"""INSERT INTO {table} SELECT copy.* FROM {table} one
                CROSS JOIN generate_series({self.known + 1}, {n}) number
                CROSS JOIN LATERAL jsonb_populate_record(one, jsonb_build_object('series_id', 'series_' || lpad(number::text, 7, '0'))) copy
                WHERE one.series_id = '{TEMPLATE}'""")
        self.ask("VACUUM ANALYZE")
        self.known = n

    @contextlib.contextmanager
    def watching(self, seconds):
        """Yields a list that will hold the most statements that ran at once."""
        sql = f"""DO $$ DECLARE most int := 0; now_active int; BEGIN
            FOR turn IN 1..{seconds * 100} LOOP
              PERFORM pg_stat_clear_snapshot();
              SELECT count(*) INTO now_active FROM pg_stat_activity
                WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid();
              most := greatest(most, now_active);
              PERFORM pg_sleep(0.01);
            END LOOP;
            RAISE NOTICE 'most %', most; END $$"""
        watcher = subprocess.Popen(
            ["psql", "-q", self.url, "-c", sql], stderr=subprocess.PIPE, text=True
        )
        most = []
        try:
            yield most
        finally:
            most.append(int(re.search(r"most (\d+)", watcher.communicate()[1])[1]))


class Platform:
    """The distributed form, of which predictors come and go."""

    def __init__(self, processes):
        self.processes = processes
        self.database = Database("benchmark_scale", processes)
        self.env = self.database.initialised()
        processes.start(
            "trainer", [BIN / "trainer"], **self.env, ADMIN_PORT=0, APP_PORT=PORTS["trainer"]
        )
        self.predict_with(1)
        train(PORTS["gateway"])

    def predict_with(self, number, **cache):
        """Starts `number` predictors and a gateway before them, in place of those that run.

        Returns how long the first took, in seconds.
        """
        self.processes.stop(lambda name: name.startswith(("predictor", "gateway")))
        took = []
        for index, port in enumerate(PREDICTORS[:number]):
            started = time.monotonic()
            self.processes.start(
                f"predictor{index}",
                [BIN / "predictor"],
                **self.env,
                **(cache or ROOMY),
                APP_PORT=port,
                ADMIN_PORT=port + 1,
            )
            wait_ready(port + 1)
            took.append(time.monotonic() - started)
        start_gateway(self.processes, PREDICTORS[:number])
        return took[0]


def train(port):
    body = json.dumps(
        {
            "detector": "sigma",
            "timestamps": list(range(100)),
            "values": [10 + i * 7 % 10 / 10 for i in range(100)],
        }
    )
    call(port, "POST", f"/fit/{TEMPLATE}", body.encode())


def grow_sqlite(path, n):
    database = sqlite3.connect(path)
    for table in ("series", "models"):
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        values = [
            "printf('series_%07d', number)" if column == "series_id" else column
            for column in columns
        ]
        database.execute(f"""WITH RECURSIVE numbers(number) AS
              (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {n})
            INSERT INTO {table} ({", ".join(columns)}) SELECT {", ".join(values)}
              FROM {table}, numbers WHERE series_id = '{TEMPLATE}'""")
    database.commit()
    database.close()


def warm(folder, port, admin_port, n):
    """Has every series asked for once; how long that took, in seconds."""
    started = time.monotonic()
    while (held := round(metric(admin_port, "anomaly_predictor_models_held"))) < n:
        # What was asked for last when wrk stopped is not loaded.
        ask(folder, port, "walk", n, 64, 1 if n - held < 10_000 else 5, max(0, held - 200))
        time.sleep(0.2)  # the gauge is set every 100 ms
    return time.monotonic() - started


def cost(processes, folder, port, passes, n, args):
    """CPU µs of a request by traffic pattern, and of a bare handler; medians of the rounds."""
    found = {}
    for _ in range(args.rounds):
        for pattern, at, through in (
            ("uniform", port, passes),
            ("zipf", port, passes),
            ("bare", PORTS["bare"], ["bare"]),
        ):
            asked = "uniform" if pattern == "bare" else pattern
            _, spent = cpu_us_by_process(
                processes, through, lambda: ask(folder, at, asked, n, 64, args.seconds)
            )
            found.setdefault(pattern, []).append({"all": sum(spent.values()), **spent})
    return {
        pattern: {p: round(statistics.median(row[p] for row in rows), 2) for p in rows[0]}
        for pattern, rows in found.items()
    }


def measured(processes, folder, form, n, start_s, port, admin_port, holder, passes, args):
    """One form that has just been started and knows `n` series."""
    before = memory_kb(processes.children[holder].pid, "VmRSS")
    warm_s = warm(folder, port, admin_port, n)
    after = memory_kb(processes.children[holder].pid, "VmRSS")
    row = {
        "form": form,
        "series": n,
        "start_s": round(start_s, 2),
        "load_all_s": round(warm_s, 1),
        "reads": loads(admin_port),
        "bytes_a_model": round((after - before) * 1024 / n) if n >= 100_000 else None,
        "model_bytes_counted": round(metric(admin_port, "anomaly_predictor_model_bytes") / n),
        "resident_mb": round(after / 1024, 1),
        "cpu_us": cost(processes, folder, port, passes, n, args),
    }
    log(f"{form} {n} series: {json.dumps(row)}")
    return row


def sizes(platform, folder, args):
    rows = []
    for n in args.sizes:
        platform.database.grow(n)
        start_s = platform.predict_with(1)
        rows.append(
            measured(
                platform.processes,
                folder,
                "distributed",
                n,
                start_s,
                PORTS["gateway"],
                PREDICTORS[0] + 1,
                "predictor0",
                ["gateway", "predictor0"],
                args,
            )
        )
    return rows


def standalone(processes, folder, args):
    rows = []
    env = {"APP_PORT": PORTS["standalone"], "ADMIN_PORT": ADMIN_STANDALONE, **ROOMY}
    for n in dict.fromkeys((args.sizes[0], args.sizes[-1])):
        data = folder / f"data-{n}"
        processes.start("standalone", [BIN / "standalone"], **env, DATA_DIR=data)
        wait_ready(PORTS["standalone"])
        train(PORTS["standalone"])
        processes.stop(lambda name: name == "standalone")
        grow_sqlite(data / "store.db", n)
        started = time.monotonic()
        processes.start("standalone", [BIN / "standalone"], **env, DATA_DIR=data)
        wait_ready(PORTS["standalone"])
        start_s = time.monotonic() - started
        rows.append(
            measured(
                processes,
                folder,
                "standalone",
                n,
                start_s,
                PORTS["standalone"],
                ADMIN_STANDALONE,
                "standalone",
                ["standalone"],
                args,
            )
        )
        processes.stop(lambda name: name == "standalone")
        shutil.rmtree(data)
    return rows


def bounded(platform, folder, args):
    """A cache for a tenth of what is known."""
    n, admin = args.sizes[-1], PREDICTORS[0] + 1
    rows = []
    for pattern in ("uniform", "zipf"):
        platform.predict_with(1, MODEL_CACHE_ENTRIES=max(1, n // 10), MODEL_CACHE_BYTES=1 << 30)
        ask(folder, PORTS["gateway"], pattern, n, 64, 4 * args.seconds)
        before = {
            name: metric(admin, f"anomaly_predictor_{name}_total")
            for name in ("predictions", "cache_hits", "model_loads")
        }
        result = ask(folder, PORTS["gateway"], pattern, n, 64, 4 * args.seconds)
        time.sleep(0.3)  # counts are published every 100 ms
        counted = {
            name: metric(admin, f"anomaly_predictor_{name}_total") - value
            for name, value in before.items()
        }
        rows.append(
            {
                "pattern": pattern,
                "series": n,
                "cache": n // 10,
                "requests": result["requests"],
                "hit_rate": round(counted["cache_hits"] / counted["predictions"], 4),
                "reads": round(counted["model_loads"]),
                "requests_per_second": round(result["requests"] / (result["duration_us"] / 1e6)),
                "p50_ms": result["p50_us"] / 1000,
                "p99_ms": result["p99_us"] / 1000,
            }
        )
        log(f"bounded: {json.dumps(rows[-1])}")
    return rows


def several(platform, folder, args):
    """Cold predictors, and then how evenly they share the load."""
    n = min(100_000, args.sizes[-1])
    cold = []
    for pattern, asked in (("one series", 1), ("zipf", n)):
        platform.predict_with(len(PREDICTORS))
        with platform.database.watching(args.seconds + 1) as most:
            result = ask(
                folder,
                PORTS["gateway"],
                "uniform" if asked == 1 else "zipf",
                asked,
                256,
                args.seconds,
                may_fail=True,
            )
        cold.append(
            {
                "pattern": pattern,
                "series": asked,
                "requests": result["requests"],
                "failed": result["failed"],
                "p99_ms": result["p99_us"] / 1000,
                "reads": [loads(port + 1) for port in PREDICTORS],
                "models_held": [
                    round(metric(port + 1, "anomaly_predictor_models_held")) for port in PREDICTORS
                ],
                "statements_at_once": most[0],
            }
        )
        log(f"cold: {json.dumps(cold[-1])}")
    before = [metric(port + 1, "anomaly_predictor_predictions_total") for port in PREDICTORS]
    ask(folder, PORTS["gateway"], "zipf", n, 64, args.seconds)
    time.sleep(0.3)  # counts are published every 100 ms
    counts = [
        metric(port + 1, "anomaly_predictor_predictions_total") - old
        for port, old in zip(PREDICTORS, before)
    ]
    return cold, [round(count / sum(counts), 4) for count in counts]


def tables(report):
    lines = [
        "| form | known series | starts in | loads all in | bytes a model (resident) | resident | CPU µs a request, uniform | Zipf | bare axum |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for r in report["sizes"]:
        cpu = {pattern: parts["all"] for pattern, parts in r["cpu_us"].items()}
        lines.append(
            f"| {r['form']} | {r['series']:,} | {r['start_s']:.2f} s | {r['load_all_s']:.1f} s | {r['bytes_a_model'] or ''} | {r['resident_mb']:.0f} MB "
            f"| {cpu['uniform']:.1f} | {cpu['zipf']:.1f} | {cpu['bare']:.1f} |"
        )
    if report["bounded"]:
        lines += [
            "",
            "| known series | cache | asked for | hits | reads of Postgres | requests/s | p50 ms | p99 ms |",
            "|---|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {r['series']:,} | {r['cache']:,} | {r['pattern']} | {r['hit_rate']:.1%} | {r['reads']:,} of {r['requests']:,} requests | {r['requests_per_second']:,} "
            f"| {r['p50_ms']:.2f} | {r['p99_ms']:.2f} |"
            for r in report["bounded"]
        ]
    lines += [
        "",
        "| three cold predictors, 256 connections | requests | failed | reads by predictor | models held | most statements at once | p99 ms |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['pattern']}, {r['series']:,} known | {r['requests']:,} | {r['failed']} | {', '.join(f'{x:,}' for x in r['reads'])} "
        f"| {', '.join(f'{x:,}' for x in r['models_held'])} | {r['statements_at_once']} | {r['p99_ms']:.1f} |"
        for r in report["cold"]
    ]
    lines += [
        "",
        "Shares of the load, once warm: "
        + ", ".join(f"{share:.2%}" for share in report["shares"])
        + ".",
    ]
    return lines


def main():
    parser = arguments(__doc__, rounds=5, seconds=4)
    parser.add_argument(
        "--sizes",
        type=int,
        nargs="+",
        default=[1, 1_000, 100_000, 1_000_000],
        help="known series, ascending",
    )
    args = parser.parse_args()
    with session(args) as processes:
        folder = processes.folder
        processes.start("bare", [BIN / "bare"], APP_PORT=PORTS["bare"])
        wait_ready(PORTS["bare"], "/livez")
        alone = standalone(processes, folder, args)
        platform = Platform(processes)
        rows = sizes(platform, folder, args) + alone
        limited = bounded(platform, folder, args)
        cold, shares = several(platform, folder, args)
    report = {
        "machine": machine(),
        "rounds": args.rounds,
        "seconds": args.seconds,
        "sizes": rows,
        "bounded": limited,
        "cold": cold,
        "shares": shares,
    }
    write(args.out, "scale", report, tables(report))


if __name__ == "__main__":
    main()
