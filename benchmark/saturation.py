#!/usr/bin/env python3
"""CPU per request, requests per second and latency of every form of the platform, beside the references, in one run.

The measure is CPU: user and system time of each process from /proc/PID/stat over a wrk run, divided by the requests that
wrk counted. Forms and references take turns, round by round; the median and the range over the rounds are reported.

Forms
  standalone           the five services in one process
  distributed          gateway and predictor (trainer and consumers running beside, over Kafka, Postgres and Redis)
References
  bare axum            one route that parses the point and answers a verdict (crates/service/examples/bare.rs)
  nginx + bare axum    nginx proxying to it
  nginx + predictor    nginx proxying to the predictor of the distributed form

Needs wrk; nginx is left out where it is not installed. Every server has one worker, so that a request costs what it costs
and not what idle threads add. Builds as for images, and starts Kafka, Postgres and Redis (.ci/servers.sh) unless TEST_KAFKA_BROKERS,
TEST_DATABASE_URL and TEST_REDIS_URL say where they are. The other benchmarks take from here what they share (`session` first).
"""

import argparse
import contextlib
import csv
import itertools
import json
import math
import os
import pathlib
import platform
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = ROOT / "target" / "dist"
TICKS = os.sysconf("SC_CLK_TCK")
SERIES = 5
PORTS = {"bare": 18100, "nginx_bare": 18101, "nginx_predictor": 18102, "gateway": 18103, "trainer": 18104,
         "predictor": 18105, "standalone": 18106}

NGINX = """
worker_processes 1; daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 256; keepalive_requests 1000000; }}
  server {{ listen 127.0.0.1:{port};
    location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""

WRK = """
local requests = {}
init = function()
  for i = 1, %d do
    requests[i] = wrk.format("POST", string.format("/predict/sensor_%%02d", i), nil, '{"timestamp": 1693460000, "value": 10.5}')
  end
end
local at = 0
request = function() at = at %% #requests + 1; return requests[at] end
"""

# For any script of wrk: what came of a run, as JSON.
DONE = """
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('RESULT {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"p999_us":%d,"failed":%d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


def log(text):
    print(text, file=sys.stderr, flush=True)


class Processes:
    """What was started here, by name; all of it is stopped at the end, and then what is noted in `at_end` is done."""

    def __init__(self, folder, at_end):
        self.folder = pathlib.Path(folder)
        self.at_end = at_end
        self.children = {}

    def start(self, name, argv, **env):
        out = open(self.folder / f"{name}.log", "ab")
        env = {**os.environ, "LOG_LEVEL": "warn", "WORKER_THREADS": "1", **{k: str(v) for k, v in env.items()}}
        self.children[name] = subprocess.Popen([str(a) for a in argv], env=env, stdout=out, stderr=out, cwd=self.folder)

    def stop(self, which=lambda name: True):
        """Stops those whose names are `which`, or all."""
        names = [name for name in self.children if which(name)]
        for name in names:
            self.children[name].terminate()
        for name in names:
            child = self.children.pop(name)
            try:
                child.wait(20)
            except subprocess.TimeoutExpired:
                log(f"{name} did not stop in 20 s")
                child.kill()

    def show_logs(self):
        for name in self.children:
            text = (self.folder / f"{name}.log").read_text(errors="replace").strip()
            log(f"--- {name}\n{text[-2000:]}" if text else f"--- {name}: no output")

    def pids(self, name):
        """The process and its children: nginx works in one of them."""
        pid = self.children[name].pid
        tasks = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, tasks)]


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def cpu_us_by_process(processes, passes, run):
    """What `run` returns, and the CPU that each of these processes spent on each of its requests, in µs."""
    before = {p: cpu_seconds(processes.pids(p)) for p in passes}
    result = run()
    return result, {p: (cpu_seconds(processes.pids(p)) - before[p]) * 1e6 / result["requests"] for p in passes}


def memory_kb(pid, field):
    return int(re.search(rf"{field}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def resident_mb(processes):
    return {n: round(memory_kb(c.pid, "VmRSS") / 1024, 1) for n, c in processes.children.items()}


def call(port, method, path, body=None, headers={}):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method, data=body, headers=headers)
    with urllib.request.urlopen(request, timeout=120) as reply:
        return reply.read()


def wait_ready(port, path="/readyz"):
    deadline = time.monotonic() + 120
    while True:
        try:
            return call(port, "GET", path)
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def metric(admin_port, name):
    """What `/metrics` says."""
    text = call(admin_port, "GET", "/metrics").decode()
    return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])


def train(port):
    for i in range(1, SERIES + 1):
        body = json.dumps({"timestamps": [1693459200, 1693459260, 1693459320], "values": [10.0 * i, 10.5 * i, 11.0 * i]})
        call(port, "POST", f"/fit/sensor_{i:02d}", body.encode())


def nginx(processes, name, backend):
    folder = processes.folder / name
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(dir=folder, backend=PORTS[backend], port=PORTS[name]))
    processes.start(name, ["nginx", "-p", folder, "-e", folder / "error.log", "-c", config])


class Database:
    """A Postgres database of this run alone, which goes with its processes."""

    def __init__(self, name, processes):
        self.name = f"{name}_{os.getpid()}"
        self.server = os.environ["TEST_DATABASE_URL"]
        self.url = f"{self.server.rsplit('/', 1)[0]}/{self.name}"
        self.ask(f"CREATE DATABASE {self.name}", self.server)
        processes.at_end.callback(self.drop)

    def ask(self, sql, url=None):
        argv = ["psql", "-qtA", "-v", "ON_ERROR_STOP=1", url or self.url, "-c", sql]
        return subprocess.run(argv, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def drop(self):
        self.ask(f"DROP DATABASE {self.name} WITH (FORCE)", self.server)

    def initialised(self):
        """The settings of services over this, Kafka and Redis, with all tables and topics there."""
        shared = {"KAFKA_BROKERS": os.environ["TEST_KAFKA_BROKERS"], "KAFKA_REPLICATION": 1, "KAFKA_TOPIC_PREFIX": f"{self.name}.",
                  "DATABASE_URL": self.url, "REDIS_URL": os.environ["TEST_REDIS_URL"], "REDIS_KEY_PREFIX": f"{self.name}:"}
        subprocess.run([BIN / "init"], env={**os.environ, **{k: str(v) for k, v in shared.items()}}, check=True)
        return shared


def start_gateway(processes, predictor_ports):
    urls = ",".join(f"http://127.0.0.1:{port}" for port in predictor_ports)
    processes.start("gateway", [BIN / "gateway"], APP_PORT=PORTS["gateway"], ADMIN_PORT=0,
                    TRAINER_URL=f"http://127.0.0.1:{PORTS['trainer']}", PREDICTOR_URL=urls)
    wait_ready(PORTS["gateway"])


def start_distributed(processes):
    shared = {**Database("benchmark", processes).initialised(), "ADMIN_PORT": 0}
    for service in ("trainer", "predictor"):
        processes.start(service, [BIN / service], **shared, APP_PORT=PORTS[service])
    processes.start("metrics-consumer", [BIN / "metrics-consumer"], **shared)
    processes.start("training-data-consumer", [BIN / "training-data-consumer"], **shared)
    start_gateway(processes, [PORTS["predictor"]])


def start_all(processes):
    """Starts everything; returns the forms as (name, port, processes that a request passes)."""
    processes.start("bare", [BIN / "examples" / "bare"], APP_PORT=PORTS["bare"])
    wait_ready(PORTS["bare"], "/livez")
    started = time.monotonic()
    processes.start("standalone", [BIN / "standalone"], APP_PORT=PORTS["standalone"], ADMIN_PORT=0,
                    DATA_DIR=processes.folder / "data")
    wait_ready(PORTS["standalone"])
    start_ms = (time.monotonic() - started) * 1000
    start_distributed(processes)
    forms = [("bare axum", "bare", ["bare"]), ("standalone", "standalone", ["standalone"]),
             ("distributed", "gateway", ["gateway", "predictor"])]
    if shutil.which("nginx"):
        nginx(processes, "nginx_bare", "bare")
        nginx(processes, "nginx_predictor", "predictor")
        wait_ready(PORTS["nginx_bare"], "/livez")
        wait_ready(PORTS["nginx_predictor"], "/livez")
        forms += [("nginx + bare axum", "nginx_bare", ["nginx_bare", "bare"]),
                  ("nginx + predictor", "nginx_predictor", ["nginx_predictor", "predictor"])]
    else:
        log("nginx is not installed: its references are left out")
    train(PORTS["standalone"])
    train(PORTS["gateway"])
    return forms, start_ms


def build():
    cargo = ["cargo", "build", "--profile", "dist", "--locked"]
    for what in (["--workspace", "--bins"], ["-p", "service", "--example", "bare"]):
        subprocess.run(cargo + what, cwd=ROOT, check=True)


def start_servers(at_end):
    """Starts those of the distributed form until `at_end`, unless somebody else has."""
    if any(os.environ.get(name) for name in ("TEST_KAFKA_BROKERS", "TEST_DATABASE_URL", "TEST_REDIS_URL")):
        return
    script = ROOT / ".ci" / "servers.sh"
    at_end.callback(subprocess.run, [script, "stop"], check=True)
    for step in ("install", "start"):
        subprocess.run([script, step], check=True)
    lines = subprocess.run([script, "env"], capture_output=True, text=True, check=True).stdout
    os.environ.update(re.findall(r"^export (\w+)=(.*)$", lines, re.MULTILINE))


def arguments(about, rounds, seconds, meaning="length of one run"):
    """The parser of what all benchmarks are told; `seconds` means something else in some."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=int, default=seconds, help=meaning)
    parser.add_argument("--no-build", action="store_true", help="take the programs in target/dist as they are")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "benchmark" / "results")
    return parser


@contextlib.contextmanager
def session(args):
    """What every benchmark has around it: programs built, servers there, and `Processes` in a folder of their own, with an end to all of
    them. If it fails, what the processes said is shown."""
    if not args.no_build:
        build()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with contextlib.ExitStack() as at_end:
        start_servers(at_end)
        processes = Processes(at_end.enter_context(tempfile.TemporaryDirectory()), at_end)
        try:
            yield processes
        except BaseException:
            processes.show_logs()
            raise
        finally:
            processes.stop()


def wrk(script, port, connections, seconds, may_fail=False):
    argv = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, f"http://127.0.0.1:{port}"]
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    result = json.loads(re.search(r"RESULT (\{.*\})", out)[1])
    if result["failed"] and not may_fail:
        raise SystemExit(f"{result['failed']} of {result['requests']} requests failed on port {port}")
    return result


def warm_up(processes, forms):
    """Writes the script for wrk, and has each form answer for a second."""
    script = processes.folder / "predict.lua"
    script.write_text(WRK % SERIES + DONE)
    for _, port, _ in forms:
        wrk(script, PORTS[port], 16, 1)
    return script


def measure(processes, forms, script, args):
    rows = []
    beside = ["metrics-consumer"]
    for round_number in range(1, args.rounds + 1):
        for connections in args.connections:
            for name, port, passes in forms:
                result, cost = cpu_us_by_process(processes, passes + beside, lambda: wrk(script, PORTS[port], connections, args.seconds))
                row = {"round": round_number, "form": name, "connections": connections,
                       "requests_per_second": result["requests"] / (result["duration_us"] / 1e6),
                       "p50_ms": result["p50_us"] / 1000, "p99_ms": result["p99_us"] / 1000, "p999_ms": result["p999_us"] / 1000,
                       "cpu_us": sum(cost[p] for p in passes), "cpu_us_by_process": {p: round(cost[p], 2) for p in passes},
                       "metrics_consumer_cpu_us": round(cost[beside[0]], 3) if name == "distributed" else None}
                rows.append(row)
                log(f"round {round_number}/{args.rounds}  {name:18} {connections:4} connections  "
                    f"{row['cpu_us']:6.2f} µs  {row['requests_per_second']:9.0f}/s  p50 {row['p50_ms']:.2f}  p99 {row['p99_ms']:.2f} ms")
    return rows


def summarise(rows):
    """Median, minimum and maximum of each figure over the rounds, and each form's cost as a ratio to the references."""
    summary = []
    for form, connections in dict.fromkeys((r["form"], r["connections"]) for r in rows):
        chosen = [r for r in rows if r["form"] == form and r["connections"] == connections]
        entry = {"form": form, "connections": connections}
        for key in ("cpu_us", "requests_per_second", "p50_ms", "p99_ms", "p999_ms"):
            values = [r[key] for r in chosen]
            entry[key] = {"median": round(statistics.median(values), 3), "min": round(min(values), 3), "max": round(max(values), 3)}
        entry["cpu_us_by_process"] = {p: round(statistics.median(r["cpu_us_by_process"][p] for r in chosen), 2)
                                      for p in chosen[0]["cpu_us_by_process"]}
        summary.append(entry)
    cost = {(e["form"], e["connections"]): e["cpu_us"]["median"] for e in summary}
    for entry in summary:
        for reference in ("bare axum", "nginx + bare axum", "nginx + predictor"):
            base = cost.get((reference, entry["connections"]))
            if base and reference != entry["form"]:
                entry.setdefault("cpu_ratio", {})[reference] = round(entry["cpu_us"]["median"] / base, 3)
    return summary


def fit_body(detector, points):
    """Values between 100 and 127, one a minute."""
    values = ",".join(f"{100 + (i * 7919 % 1000) / 37:.6f}" for i in range(points))
    stamps = ",".join(str(1_693_459_200 + 60 * i) for i in range(points))
    return f'{{"detector":"{detector}","timestamps":[{stamps}],"values":[{values}]}}'.encode()


def fit_figures(processes):
    """Time of big fits until the reply, and the peak memory of all our processes afterwards."""
    figures = []
    forms = {"standalone": ["standalone"], "distributed": ["gateway", "trainer", "predictor", "metrics-consumer", "training-data-consumer"]}
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
            figures.append({"form": form, "detector": detector, "points": points, "body_mb": round(len(body) / 1e6, 1), "median_ms": round(statistics.median(times), 1),
                            "max_ms": round(max(times), 1), "peak_memory_mb": sum(peak.values()), "peak_memory_mb_by_process": peak})
            log(f"fit {form} {detector} {points} points: {figures[-1]['median_ms']} ms, peak memory so far {sum(peak.values())} MB")
    return figures


def bulk_body(points):
    """A daily wave at steps of five minutes with noise, and here and there a value that is far off."""
    chance = random.Random(7)
    values = (20 + 5 * math.sin(i / 288 * math.tau) + chance.gauss(0, 0.5) + (30 if chance.random() < 0.0003 else 0) for i in range(points))
    stamps = range(1_693_459_200, 1_693_459_200 + 300 * points, 300)
    return json.dumps({"timestamps": list(stamps), "values": [round(v, 4) for v in values]}).encode()


def bulk_figures(processes):
    """Time of calls that are about many points, until the whole reply is there."""
    figures = []
    points = 100_000
    body = bulk_body(points)
    calls = [("/predict/{id}/batch", "POST", "/predict/wave/batch", {}), ("/v1/detect", "POST", "/v1/detect", {}),
             ("/v1/detect as NDJSON", "POST", "/v1/detect", {"accept": "application/x-ndjson"}),
             ("/plot", "GET", "/plot?series_id=wave", {})]
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
            figures.append({"form": form, "call": name, "points": points, "reply_mb": round(len(reply) / 1e6, 1),
                            "median_ms": round(seconds * 1000, 1), "max_ms": round(max(times) * 1000, 1), "points_per_second": round(points / seconds)})
            log(f"{form} {name}, {points} points: {figures[-1]['median_ms']} ms")
    return figures


def machine():
    model = re.search(r"model name\s+: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    return {"cpu": model[1] if model else platform.machine(), "cores": os.cpu_count(), "memory_gib": round(int(memory[1]) / 2**20, 1),
            "kernel": platform.release(), "commit": commit, "date": time.strftime("%Y-%m-%d", time.gmtime())}


def write(folder, name, report, lines=None, rows=None):
    """Writes the results of a benchmark: all of them, tables, and the rows that medians are made of."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")
    if lines:
        (folder / f"{name}.md").write_text("\n".join(lines) + "\n")
        print("\n".join(lines))
    if rows:
        with open(folder / f"{name}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            columns = ["round", "form", "connections", "cpu_us", "requests_per_second", "p50_ms", "p99_ms", "p999_ms"]
            writer.writerow(columns)
            writer.writerows([round(row[c], 3) if isinstance(row[c], float) else row[c] for c in columns] for row in rows)
    log(f"written to {folder}")


def main():
    parser = arguments(__doc__, rounds=5, seconds=5)
    parser.add_argument("--connections", type=int, nargs="+", default=[64])
    parser.add_argument("--no-fit", action="store_true", help="leave the big fits, batches and detections out")
    parser.add_argument("--fit-only", action="store_true", help="only these; the rest of the results stays as it is")
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
        write(args.out, "saturation", json.loads((args.out / "saturation.json").read_text()) | {"fit": fits, "bulk": bulk})
        return
    sizes = {b: round((BIN / b).stat().st_size / 1e6, 1) for b in ("gateway", "trainer", "predictor", "metrics-consumer",
             "training-data-consumer", "init", "standalone", "anomaly")}
    report = {"machine": machine(), "rounds": args.rounds, "seconds": args.seconds, "standalone_start_ms": round(start_ms, 1),
              "summary": summarise(rows), "fit": fits, "bulk": bulk, "resident_mb_idle": idle, "resident_mb_after_load": busy, "binary_mb": sizes}
    write(args.out, "saturation", report, rows=rows)


if __name__ == "__main__":
    main()
