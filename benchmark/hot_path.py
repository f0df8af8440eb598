#!/usr/bin/env python3
"""What a prediction costs on its way through the platform, beside nginx and a bare backend.

Builds as for images, and starts Kafka, Postgres and Redis (.ci/servers.sh) unless
TEST_KAFKA_BROKERS, TEST_DATABASE_URL and TEST_REDIS_URL say where they are. Forms, references and
the closed loop are those of saturation.py. This adds a closer look:

  closed loop   wrk at 16, 64 and 256 connections, every form in turn, round by round: CPU by
                process, requests/s, latency
  open loop     oha with latency correction, at half and at four fifths of what the form did at 64
                connections: the latency for a client that does not wait for the server. The tool
                has one core and the form another. The report says how busy the tool was, because
                its requests wait for its own core too
  probe         500 requests a second beside the same load, from a second oha that the kernel
                prefers on the tool's core (SCHED_FIFO, which needs root): the form's latency under
                that load, without the wait for the load's own tool
  system calls  strace -c -f during a short run that does nothing else. It slows the form down, so
                batches are larger than without it. At most 64 connections, or some would time out
  memory        resident, idle and after all of that

The headline is the CPU of all processes that a request passes, as a ratio to nginx + bare axum and
to bare axum. Medians and ranges over the rounds go to results/hot_path.json and .csv, tables to
hot_path.md. Needs wrk; nginx, oha and strace are left out where they are not installed, and the
results say so.
"""

import json
import os
import re
import resource
import shutil
import signal
import statistics
import subprocess
import time

from lib.forms import PORTS, start_all
from lib.load import measure, summarise, warm_up, wrk
from lib.processes import log, resident_mb
from lib.session import arguments, machine, session, write

LOADS = (0.5, 0.8)
OPEN_CONNECTIONS = 64
PROBE_CONNECTIONS, PROBE_RATE = 4, 500
# The cores of the open loop: the tool would else take the form's, and measure itself.
TOOL, FORM = {0}, {1} if os.cpu_count() > 1 else {0}
REFERENCES = {"distributed": "nginx + bare axum", "standalone": "bare axum"}


def pin(processes, names, cores):
    """Has all threads of these processes run on `cores` only."""
    for name in names:
        for pid in processes.pids(name):
            for thread in os.listdir(f"/proc/{pid}/task"):
                os.sched_setaffinity(int(thread), cores)


def oha(port, connections, rate, seconds, prefer=False):
    """Starts requests at a fixed rate on the tool's core; with `prefer`, before all else there."""

    def place():
        os.sched_setaffinity(0, TOOL)
        if prefer:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))

    url = f"http://127.0.0.1:{PORTS[port]}/predict/sensor_01"
    argv = [
        "oha",
        "--no-tui",
        "--output-format",
        "json",
        "--latency-correction",
        "--disable-compression",
        "-c",
        str(connections),
        "-q",
        str(int(rate)),
        "-z",
        f"{seconds}s",
        "-m",
        "POST",
        "-d",
        '{"timestamp": 1693460000, "value": 10.5}',
        url,
    ]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, preexec_fn=place)


def latency_of(tool):
    """What oha found, in milliseconds from when a request should have gone out."""
    out, _ = tool.communicate()
    if tool.returncode:
        raise SystemExit(f"oha ended with {tool.returncode}")
    report = json.loads(out)
    if report["summary"]["successRate"] < 1:
        raise SystemExit(
            f"oha: only {report['summary']['successRate']:.4f} of the requests succeeded"
        )
    latency = report["latencyPercentiles"]
    return {
        "p50_ms": latency["p50"] * 1000,
        "p99_ms": latency["p99"] * 1000,
        "p999_ms": latency["p99.9"] * 1000,
        "requests_per_second": report["summary"]["requestsPerSec"],
    }


def may_prefer():
    """Whether this process may have a program preferred: a child tries."""
    child = os.fork()
    if child == 0:
        try:
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def open_loop(port, rate, seconds, probe):
    """Latency at a fixed rate, and how busy the tool's core was.

    With `probe`, also the latency that a preferred probe sees beside the same load.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    result = latency_of(oha(port, OPEN_CONNECTIONS, rate, seconds))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    result["tool_busy"] = (
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    ) / seconds
    if probe:
        load = oha(port, OPEN_CONNECTIONS, rate, seconds + 2)
        time.sleep(
            1
        )  # not a wait for a condition: so much of the load is to pass before the probe starts, and after it
        found = latency_of(oha(port, PROBE_CONNECTIONS, PROBE_RATE, seconds, prefer=True))
        latency_of(load)
        result |= {f"probe_{key}": found[key] for key in ("p50_ms", "p99_ms", "p999_ms")}
    return result


def open_loops(processes, forms, summary, args):
    """Each form at fractions of the rate that it reached at 64 connections; medians of the rounds.

    The form has one core and the tool another.
    """
    most = {
        e["form"]: e["requests_per_second"]["median"] for e in summary if e["connections"] == 64
    }
    probe, results = may_prefer(), []
    if not probe:
        log("no probe: this user may not have a program preferred")
    for load in LOADS:
        for name, port, passes in forms:
            pin(processes, passes, FORM)
            rounds = [
                open_loop(port, most[name] * load, args.seconds, probe) for _ in range(args.rounds)
            ]
            pin(processes, passes, TOOL | FORM)
            result = {"form": name, "load": load, "asked_per_second": round(most[name] * load)}
            for key in rounds[0]:
                result[key] = round(statistics.median(r[key] for r in rounds), 3)
            results.append(result)
            log(
                f"open loop {load:.0%}  {name:18} p50 {result['p50_ms']:.2f}  p99 {result['p99_ms']:.2f}  p99.9 {result['p999_ms']:.2f} ms"
                f"  tool busy {result['tool_busy']:.0%}  probe {probe_cell(result)}"
            )
    return results


def probe_cell(result):
    return (
        " / ".join(f"{result[f'probe_{key}']:.2f}" for key in ("p50_ms", "p99_ms", "p999_ms"))
        if "probe_p50_ms" in result
        else "–"
    )


def system_calls(processes, form, connections, script):
    """Calls a request, by process and by kind, over all threads."""
    name, port, passes = form
    tracing = {}
    for process in passes:
        out = processes.folder / f"{process}.strace"
        pids = [argument for pid in processes.pids(process) for argument in ("-p", str(pid))]
        tracing[process] = (
            subprocess.Popen(["strace", "-c", "-f", "-o", out, *pids], stderr=subprocess.DEVNULL),
            out,
        )
    result = wrk(script, PORTS[port], connections, 3)
    counted = {"form": name, "connections": connections, "by_process": {}}
    for process, (tracer, out) in tracing.items():
        tracer.send_signal(signal.SIGINT)
        tracer.wait(20)
        lines = re.findall(
            r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", out.read_text(), re.MULTILINE
        )
        calls = {call: int(count) for count, call in lines if call != "total"}
        a_request = {
            call: round(count / result["requests"], 3)
            for call, count in calls.items()
            if count > result["requests"] / 200
        }
        counted["by_process"][process] = {
            "total": round(sum(calls.values()) / result["requests"], 3),
            **a_request,
        }
    counted["total"] = round(sum(p["total"] for p in counted["by_process"].values()), 3)
    log(f"system calls  {name:18} {connections:4} connections  {counted['total']:.2f} a request")
    return counted


def tables(report):
    lines = [
        "| form | connections | CPU µs a request | of which | against | requests/s | p50 ms | p99 ms | p99.9 ms |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for e in report["closed_loop"]:
        cpu, reference = e["cpu_us"], REFERENCES.get(e["form"])
        ratio = e.get("cpu_ratio", {}).get(reference)
        against = f"**{ratio:.2f}** × {reference}" if ratio else ""
        parts = ", ".join(f"{p.partition('_')[0]} {c}" for p, c in e["cpu_us_by_process"].items())
        lines.append(
            f"| {e['form']} | {e['connections']} | {cpu['median']:.2f} ({cpu['min']:.2f}–{cpu['max']:.2f}) | {parts} | {against} "
            f"| {e['requests_per_second']['median']:,.0f} | {e['p50_ms']['median']:.2f} | {e['p99_ms']['median']:.2f} | {e['p999_ms']['median']:.2f} |"
        )
    if report["open_loop"]:
        lines += [
            "",
            "| form | load | requests/s asked | got | p50 ms | p99 ms | p99.9 ms | tool busy | probe beside it, p50 / p99 / p99.9 ms |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        lines += [
            f"| {r['form']} | {r['load']:.0%} | {r['asked_per_second']:,} | {r['requests_per_second']:,.0f} | {r['p50_ms']:.2f} | {r['p99_ms']:.2f} | {r['p999_ms']:.2f} | {r['tool_busy']:.0%} | {probe_cell(r)} |"
            for r in report["open_loop"]
        ]
    if report["system_calls"]:
        lines += [
            "",
            "| form | connections | system calls a request | of which |",
            "|---|---|---|---|",
        ]
        for r in report["system_calls"]:
            parts = "; ".join(
                f"{p.partition('_')[0]}: "
                + ", ".join(f"{c} {n}" for c, n in calls.items() if c != "total")
                for p, calls in r["by_process"].items()
            )
            lines.append(f"| {r['form']} | {r['connections']} | {r['total']} | {parts} |")
    if report["left_out"]:
        lines += ["", f"Left out, because not installed: {', '.join(report['left_out'])}."]
    return lines


def main():
    parser = arguments(__doc__, rounds=5, seconds=5)
    parser.add_argument("--connections", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--forms", nargs="+", help="only these, as they are called in the tables")
    parser.add_argument("--no-open-loop", action="store_true")
    parser.add_argument("--no-system-calls", action="store_true")
    args = parser.parse_args()
    left_out = [tool for tool in ("nginx", "oha", "strace") if not shutil.which(tool)]
    with session(args) as processes:
        forms, _ = start_all(processes)
        forms = [form for form in forms if not args.forms or form[0] in args.forms]
        script = warm_up(processes, forms)
        idle = resident_mb(processes)
        rows = measure(processes, forms, script, args)
        summary = summarise(rows)
        has_64 = 64 in args.connections and "oha" not in left_out and not args.no_open_loop
        paced = open_loops(processes, forms, summary, args) if has_64 else []
        traced = (
            []
            if "strace" in left_out or args.no_system_calls
            else [
                system_calls(processes, form, connections, script)
                for form in forms
                for connections in args.connections
                if connections <= 64
            ]
        )
        busy = resident_mb(processes)
    report = {
        "machine": machine(),
        "rounds": args.rounds,
        "seconds": args.seconds,
        "left_out": left_out,
        "closed_loop": summary,
        "open_loop": paced,
        "system_calls": traced,
        "resident_mb_idle": idle,
        "resident_mb_after_load": busy,
    }
    write(args.out, "hot_path", report, tables(report), rows)


if __name__ == "__main__":
    main()
