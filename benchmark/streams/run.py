#!/usr/bin/env python3
"""What streams cost: the figures of docs/streams.md.

Builds as for images, and starts Kafka, Postgres and Redis (.ci/servers.sh) unless
TEST_KAFKA_BROKERS, TEST_DATABASE_URL and TEST_REDIS_URL say where they are. Everything, the broker
and the tools too, shares the cores of the machine. Points are a daily wave of 144 with noise.

  backlog      an observer warms up --series streams, with 750 points of each. It is stopped
               (SIGSTOP) while --records records of one point each pile up, series by turns. The
               time runs from when it goes on to when all are judged
  requests     /observe of 1,000 series over 64 connections: as fast as replies come, for the CPU
               of a request (beside bare axum), then at 1,000 a second and at half of that, timed
               from when each was due. Beside it a record that is published and read back at the
               same rates, which no verdict can be faster than
  recovery     two observers with --series warmed-up streams and 2,000 points a second. One is
               killed; then killed and started again under its name. Until points of every
               partition are stored again. At the end every stream must have each point once

Results go to results/streams/streams.json, tables to streams.md. Needs psql.
"""

import json
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from lib.client import call, metric, wait_ready
from lib.forms import PORTS, Database
from lib.paths import BIN
from lib.processes import cpu_seconds, log, memory_kb
from lib.session import arguments, machine, session, write

WARM_UP = 750
CONNECTIONS = 64
PATIENCE = 1200
OBSERVERS = {"observer_a": 18130, "observer_b": 18132}  # the admin port is the next one
ADMIN_STANDALONE = 18134
FIGURES = ("backlog", "requests", "recovery")


class Observed:
    """Observers over a database and topics of their own."""

    def __init__(self, name, processes):
        self.processes = processes
        self.database = Database(f"benchmark_streams_{name}", processes)
        self.env = self.database.initialised()
        self.kafka = ["--kafka-brokers", self.env["KAFKA_BROKERS"]]
        self.kafka += ["--kafka-topic-prefix", self.env["KAFKA_TOPIC_PREFIX"]]

    def start(self, name="observer_a", **env):
        port = OBSERVERS[name]
        env = {**self.env, "OBSERVER_ID": name, "APP_PORT": port, "ADMIN_PORT": port + 1, **env}
        self.processes.start(name, [BIN / "observer"], **env)
        wait_ready(port + 1)

    def load(self, command, *words):
        return load(command, *self.kafka, *words)

    def pid(self, name="observer_a"):
        return self.processes.children[name].pid

    def stop(self):
        self.processes.stop(lambda name: name in OBSERVERS)


def load(*words):
    argv = [BIN / "streams-load", *words]
    out = subprocess.run([str(a) for a in argv], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(out.stdout)


def taken(name="observer_a"):
    """Points of which an observer knows what became of them."""
    text = call(OBSERVERS[name] + 1, "GET", "/metrics").decode()
    counts = re.findall(r"^anomaly_observer_points_total\{.*\} (\S+)$", text, re.MULTILINE)
    return round(sum(map(float, counts)))


def wait_for(done, what, every=0.05):
    deadline = time.monotonic() + PATIENCE
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} took more than {PATIENCE} s")
        time.sleep(every)


def backlog(processes, detector, args):
    observed = Observed(f"backlog_{detector}", processes)
    # It stays a member of its group while it is stopped.
    observed.start(KAFKA_SESSION_TIMEOUT_MS=280_000)
    pid, row = observed.pid(), {"detector": detector, "series": args.series}
    empty = memory_kb(pid, "VmRSS")
    began, cpu = time.monotonic(), cpu_seconds([pid])
    first = ["--series", args.series, "--points", WARM_UP, "--at-once", "--detector", detector]
    observed.load("fill", *first)
    wait_for(lambda: taken() == args.series * WARM_UP, "warming up", 0.5)
    row["warm_up_s"] = round(time.monotonic() - began, 1)
    row["warm_up_cpu_ms_a_series"] = round((cpu_seconds([pid]) - cpu) * 1e3 / args.series, 2)
    row["resident_bytes_a_series"] = round((memory_kb(pid, "VmRSS") - empty) * 1024 / args.series)

    processes.children["observer_a"].send_signal(signal.SIGSTOP)
    each = args.records // args.series
    more = ["--series", args.series, "--points", each, "--from", WARM_UP]
    log(f"{detector}: {json.dumps(observed.load('fill', *more))}")
    stored = checkpointed = None
    all_points = args.series * (WARM_UP + each)
    began, cpu = time.monotonic(), cpu_seconds([pid])
    processes.children["observer_a"].send_signal(signal.SIGCONT)
    stored = metric(OBSERVERS["observer_a"] + 1, "anomaly_observer_checkpoint_bytes_total")
    wait_for(lambda: taken() >= all_points, "the backlog")
    seconds, spent = time.monotonic() - began, cpu_seconds([pid]) - cpu
    checkpointed = metric(OBSERVERS["observer_a"] + 1, "anomaly_observer_checkpoint_bytes_total")
    points = args.series * each
    row |= {
        "points": points,
        "seconds": round(seconds, 2),
        "points_per_second": round(points / seconds),
        "cpu_us_a_point": round(spent * 1e6 / points, 2),
        "checkpoint_mb_per_second": round((checkpointed - stored) / 1e6 / seconds, 1),
        "peak_memory_mb": round(memory_kb(pid, "VmHWM") / 1024),
    }
    observed.stop()
    log(f"backlog: {json.dumps(row)}")
    return row


def ask(port, path, start, seconds, rate=None):
    words = ["--port", port, "--path", path, "--seconds", seconds, "--from", start]
    words += ["--connections", CONNECTIONS] + (["--rate", rate] if rate else [])
    result = load("observe", *words)
    if result["failed"]:
        raise SystemExit(f"{result['failed']} requests on port {port} got no verdict")
    return result


def form_of_requests(processes, name, port, passes, path, args):
    """The closed loop, then the open one at 1,000 a second and at half of the maximum."""
    begin = 0

    def run(rate=None):
        nonlocal begin
        pids = [pid for p in passes for pid in processes.pids(p)]
        cpu = cpu_seconds(pids)
        result = ask(port, path, begin, args.seconds, rate)
        result["cpu_us"] = round((cpu_seconds(pids) - cpu) * 1e6 / result["requests"], 1)
        # Beyond all timestamps so far.
        begin += round(result["requests"] / 500) + 1_000
        return {k: round(v, 3) if isinstance(v, float) else v for k, v in result.items()}

    # Warm-up: every series has its verdicts from a session that stays.
    deadline = time.monotonic() + PATIENCE
    while begin < 1_000 * (WARM_UP // 500) and time.monotonic() < deadline:
        run()
    closed = run()
    half = round(closed["per_second"] / 2)
    row = {"form": name, "closed": closed, "at_1000": run(1_000), "half": half, "at_half": run(half)}
    log(f"requests: {json.dumps(row)}")
    return row


def requests(processes, args):
    rows = []
    processes.start("bare", [BIN / "bare"], APP_PORT=PORTS["bare"])
    wait_ready(PORTS["bare"], "/livez")
    rows.append(form_of_requests(processes, "bare axum", PORTS["bare"], ["bare"], "/predict", args))
    processes.stop(lambda name: name == "bare")

    folder = processes.folder / "streams"
    env = {"APP_PORT": PORTS["standalone"], "ADMIN_PORT": ADMIN_STANDALONE, "DATA_DIR": folder}
    processes.start("standalone", [BIN / "standalone"], **env)
    wait_ready(PORTS["standalone"])
    port = PORTS["standalone"]
    rows.append(form_of_requests(processes, "standalone", port, ["standalone"], "/observe", args))
    processes.stop(lambda name: name == "standalone")

    observed = Observed("requests", processes)
    observed.start()
    env = {"APP_PORT": PORTS["gateway"], "ADMIN_PORT": 0}
    env["OBSERVER_URL"] = f"http://127.0.0.1:{OBSERVERS['observer_a']}"
    processes.start("gateway", [BIN / "gateway"], **env)
    wait_ready(PORTS["gateway"], "/livez")
    both = ["gateway", "observer_a"]
    row = form_of_requests(processes, "gateway, observer, one broker", PORTS["gateway"], both, "/observe", args)
    rows.append(row)
    processes.stop(lambda name: name == "gateway")
    observed.stop()

    bare = ["--kafka-brokers", observed.env["KAFKA_BROKERS"], "--kafka-replication", 1]
    bare += ["--kafka-topic-prefix", f"{observed.database.name}.bare."]
    trips = {}
    for key, rate in (("at_1000", 1_000), ("at_half", row["half"])):
        trip = load("roundtrip", *bare, "--rate", rate, "--seconds", args.seconds)
        trips[key] = {k: round(v, 3) if isinstance(v, float) else v for k, v in trip.items()}
    rows.append({"form": "produce and read back", "half": row["half"], **trips})
    log(f"requests: {json.dumps(rows[-1])}")
    return rows


def effects(database):
    lines = database.ask("SELECT partition, effects_offset FROM stream_partitions").splitlines()
    return {p: int(o) for p, o in (line.split("|") for line in lines)}


def recovery(processes, args):
    observed = Observed("recovery", processes)
    for name in OBSERVERS:
        observed.start(name)
    first = ["--series", args.series, "--points", WARM_UP, "--at-once"]
    observed.load("fill", *first)
    judged = lambda: sum(taken(name) for name in OBSERVERS)
    wait_for(lambda: judged() >= args.series * WARM_UP, "warming up", 0.5)

    rate, each = 2_000, max(1, 2_000 * 70 // args.series)
    words = ["fill", *observed.kafka, "--series", args.series, "--points", each]
    words += ["--from", WARM_UP, "--rate", rate]
    feed = subprocess.Popen([str(w) for w in [BIN / "streams-load", *words]], stdout=subprocess.PIPE)
    time.sleep(3)
    bytes_stored = lambda name: metric(OBSERVERS[name] + 1, "anomaly_observer_checkpoint_bytes_total")
    before, since = sum(map(bytes_stored, OBSERVERS)), time.monotonic()
    time.sleep(15)
    stored = (sum(map(bytes_stored, OBSERVERS)) - before) / (time.monotonic() - since)

    def until_all_judge(began):
        # What the killed one had begun to store is there by now.
        time.sleep(0.3)
        at_kill = effects(observed.database)
        def is_done():
            now = effects(observed.database)
            return all(now[p] > offset for p, offset in at_kill.items())
        wait_for(is_done, "recovery")
        return round(time.monotonic() - began, 2)

    def kill(name):
        child = processes.children.pop(name)
        child.kill()
        child.wait()
        return time.monotonic()

    row = {"series": args.series, "points_per_second": rate}
    row["checkpoint_mb_per_second"] = round(stored / 1e6, 2)
    row["other_takes_over_s"] = until_all_judge(kill("observer_a"))
    observed.start("observer_a")
    time.sleep(5)
    kill("observer_b")
    began = time.monotonic()
    observed.start("observer_b")
    row["started_again_s"] = until_all_judge(began)
    feed.wait()
    sent = args.series * (WARM_UP + each)
    total = "SELECT coalesce(sum(points), 0)::bigint, count(*) FROM stream_sessions"
    lag = lambda: sum(metric(OBSERVERS[name] + 1, "anomaly_observer_lag_messages") for name in OBSERVERS)
    wait_for(lambda: lag() == 0, "the rest")
    # Every state is stored once its minute is over, whoever judges.
    learned = lambda: observed.database.ask(total).split("|")
    wait_for(lambda: int(learned()[0]) >= sent, "storing all", 1)
    row |= {"sent": sent, "learned": int(learned()[0]), "streams": int(learned()[1])}
    observed.stop()
    if row["learned"] != sent:
        raise SystemExit(f"{sent} points were sent and {row['learned']} learned")
    log(f"recovery: {json.dumps(row)}")
    return row


def tables(report):
    about = report["machine"]
    lines = [
        "# Streams",
        "",
        f"{about['cpu']}, {about['cores']} cores for everything, {about['memory_gib']} GiB, Linux "
        f"{about['kernel']}, commit {about['commit']}, {about['date']}. "
        "Made by `benchmark/streams/run.py`, which says what is measured.",
        "",
    ]
    if report.get("note"):
        lines += [report["note"], ""]
    if report.get("backlog"):
        lines += [
            "| backlog | points | points/s | CPU µs a point | bytes resident a series | warm-up, CPU ms a series | states stored, MB/s |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| `{r['detector']}`, {r['series']:,} series | {r['points']:,} | **{r['points_per_second']:,}** | **{r['cpu_us_a_point']}** "
            f"| {r['resident_bytes_a_series']:,} | {r['warm_up_cpu_ms_a_series']} | {r['checkpoint_mb_per_second']} |"
            for r in report["backlog"]
        ]
        lines.append("")
    if report.get("requests"):
        lines += [
            f"| `/observe`, {CONNECTIONS} connections | requests/s | CPU µs | p50, p99 ms at 1,000/s | p50, p99 ms at half |",
            "|---|---|---|---|---|",
        ]
        for r in report["requests"]:
            closed = r.get("closed")
            first = f"{closed['per_second']:,.0f} | **{closed['cpu_us']}**" if closed else " | "
            slow, half = r["at_1000"], r["at_half"]
            lines.append(
                f"| {r['form']} | {first} | {slow['p50_ms']}, **{slow['p99_ms']}** "
                f"| {half['p50_ms']}, **{half['p99_ms']}** ({r['half']:,}/s) |"
            )
        lines.append("")
    if report.get("recovery"):
        r = report["recovery"]
        lines += [
            f"Two observers, {r['series']:,} series of `auto`, {r['points_per_second']:,} points/s:",
            "",
            "| | |",
            "|---|---|",
            f"| one is killed, until the other judges the last partition | **{r['other_takes_over_s']} s** |",
            f"| one is killed and started under its name, from its start | **{r['started_again_s']} s** |",
            f"| points sent, learned | {r['sent']:,}, {r['learned']:,} |",
            f"| states stored | {r['checkpoint_mb_per_second']} MB/s |",
        ]
    return lines


def main():
    parser = arguments(__doc__, rounds=1, seconds=10)
    parser.add_argument("--records", type=int, default=10_000_000, help="records of the backlog")
    parser.add_argument("--series", type=int, default=10_000)
    parser.add_argument("--figures", nargs="+", choices=FIGURES, default=FIGURES)
    parser.add_argument("--note", help="what readers of the results have to know")
    args = parser.parse_args()
    args.out = args.out / "streams"
    report = {"machine": machine(), "note": args.note}
    with session(args) as processes:
        if "backlog" in args.figures:
            report["backlog"] = [backlog(processes, d, args) for d in ("auto", "robust")]
        if "requests" in args.figures:
            report["requests"] = requests(processes, args)
        if "recovery" in args.figures:
            report["recovery"] = recovery(processes, args)
    write(args.out, "streams", report, tables(report))


if __name__ == "__main__":
    main()
