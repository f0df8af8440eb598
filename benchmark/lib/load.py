"""The closed loop: wrk against every form in turn, and the CPU of what its requests pass."""

import json
import re
import statistics
import subprocess

from lib.forms import PORTS, SERIES
from lib.processes import cpu_us_by_process, log

WRK = """
local requests = {}
init = function()
  for i = 1, %d do
    local path = string.format("/predict/sensor_%%02d", i)
    requests[i] = wrk.format("POST", path, nil, '{"timestamp": 1693460000, "value": 10.5}')
  end
end
local at = 0
request = function() at = at %% #requests + 1; return requests[at] end
"""

# For any script of wrk: the result of a run as JSON.
DONE = """
done = function(summary, latency)
  local errors = summary.errors
  local form = '"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"p999_us":%d,"failed":%d'
  io.write(string.format('RESULT {' .. form .. '}\\n', summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


def wrk(script, port, connections, seconds, may_fail=False):
    argv = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "-s",
        script,
        f"http://127.0.0.1:{port}",
    ]
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    result = json.loads(re.search(r"RESULT (\{.*\})", out)[1])
    if result["failed"] and not may_fail:
        raise SystemExit(
            f"{result['failed']} of {result['requests']} requests failed on port {port}"
        )
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
                result, cost = cpu_us_by_process(
                    processes,
                    passes + beside,
                    lambda: wrk(script, PORTS[port], connections, args.seconds),
                )
                row = {
                    "round": round_number,
                    "form": name,
                    "connections": connections,
                    "requests_per_second": result["requests"] / (result["duration_us"] / 1e6),
                    "p50_ms": result["p50_us"] / 1000,
                    "p99_ms": result["p99_us"] / 1000,
                    "p999_ms": result["p999_us"] / 1000,
                    "cpu_us": sum(cost[p] for p in passes),
                    "cpu_us_by_process": {p: round(cost[p], 2) for p in passes},
                    "metrics_consumer_cpu_us": round(cost[beside[0]], 3)
                    if name == "distributed"
                    else None,
                }
                rows.append(row)
                log(
                    f"round {round_number}/{args.rounds}  {name:18} {connections:4} connections  "
                    f"{row['cpu_us']:6.2f} µs  {row['requests_per_second']:9.0f}/s  "
                    f"p50 {row['p50_ms']:.2f}  p99 {row['p99_ms']:.2f} ms"
                )
    return rows


def summarise(rows):
    """Median and range of each figure over the rounds, and each form's cost beside references."""
    summary = []
    for form, connections in dict.fromkeys((r["form"], r["connections"]) for r in rows):
        chosen = [r for r in rows if r["form"] == form and r["connections"] == connections]
        entry = {"form": form, "connections": connections}
        for key in ("cpu_us", "requests_per_second", "p50_ms", "p99_ms", "p999_ms"):
            values = [r[key] for r in chosen]
            entry[key] = {
                "median": round(statistics.median(values), 3),
                "min": round(min(values), 3),
                "max": round(max(values), 3),
            }
        entry["cpu_us_by_process"] = {
            p: round(statistics.median(r["cpu_us_by_process"][p] for r in chosen), 2)
            for p in chosen[0]["cpu_us_by_process"]
        }
        summary.append(entry)
    cost = {(e["form"], e["connections"]): e["cpu_us"]["median"] for e in summary}
    for entry in summary:
        for reference in ("bare axum", "nginx + bare axum", "nginx + predictor"):
            base = cost.get((reference, entry["connections"]))
            if base and reference != entry["form"]:
                entry.setdefault("cpu_ratio", {})[reference] = round(
                    entry["cpu_us"]["median"] / base, 3
                )
    return summary
