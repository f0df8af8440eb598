"""The frame of every benchmark: arguments, programs, servers, results."""

import argparse
import contextlib
import csv
import json
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import tempfile
import time

from lib.paths import ROOT
from lib.processes import Processes, log


def arguments(about, rounds, seconds, meaning="length of one run"):
    """The parser of the arguments that all benchmarks take; `meaning` is that of `--seconds`."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=int, default=seconds, help=meaning)
    parser.add_argument(
        "--no-build", action="store_true", help="take the programs in target/dist as they are"
    )
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "benchmark" / "results")
    return parser


@contextlib.contextmanager
def session(args):
    """Builds the programs, starts the servers, and yields `Processes` in a temporary folder.

    Everything is stopped at the end. If the benchmark fails, the logs of the processes are shown.
    """
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


def build():
    cargo = ["cargo", "build", "--profile", "dist", "--locked"]
    for what in (["--workspace", "--exclude", "bare", "--bins"], ["-p", "bare"]):
        subprocess.run(cargo + what, cwd=ROOT, check=True)


def start_servers(at_end):
    """Starts those of the distributed form until `at_end`, unless somebody else has."""
    if any(
        os.environ.get(name)
        for name in ("TEST_KAFKA_BROKERS", "TEST_DATABASE_URL", "TEST_REDIS_URL")
    ):
        return
    script = ROOT / ".ci" / "servers.sh"
    at_end.callback(subprocess.run, [script, "stop"], check=True)
    for step in ("install", "start"):
        subprocess.run([script, step], check=True)
    lines = subprocess.run([script, "env"], capture_output=True, text=True, check=True).stdout
    os.environ.update(re.findall(r"^export (\w+)=(.*)$", lines, re.MULTILINE))


def machine():
    model = re.search(r"model name\s+: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())
    commit = subprocess.run(
        ["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(int(memory[1]) / 2**20, 1),
        "kernel": platform.release(),
        "commit": commit,
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def write(folder, name, report, lines=None, rows=None):
    """Writes the results of a benchmark: as JSON, as tables, and the single rounds as CSV."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(report, indent=1) + "\n")
    if lines:
        (folder / f"{name}.md").write_text("\n".join(lines) + "\n")
        print("\n".join(lines))
    if rows:
        with open(folder / f"{name}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            columns = [
                "round",
                "form",
                "connections",
                "cpu_us",
                "requests_per_second",
                "p50_ms",
                "p99_ms",
                "p999_ms",
            ]
            writer.writerow(columns)
            writer.writerows(
                [round(row[c], 3) if isinstance(row[c], float) else row[c] for c in columns]
                for row in rows
            )
    log(f"written to {folder}")
