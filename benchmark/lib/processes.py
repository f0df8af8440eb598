"""Processes that a benchmark starts, and what they use."""

import os
import pathlib
import re
import subprocess
import sys

TICKS = os.sysconf("SC_CLK_TCK")


def log(text):
    print(text, file=sys.stderr, flush=True)


class Processes:
    """The processes that were started here, by name. At the end all are stopped, then `at_end` runs."""

    def __init__(self, folder, at_end):
        self.folder = pathlib.Path(folder)
        self.at_end = at_end
        self.children = {}

    def start(self, name, argv, **env):
        out = open(self.folder / f"{name}.log", "ab")
        env = {
            **os.environ,
            "LOG_LEVEL": "warn",
            "WORKER_THREADS": "1",
            **{k: str(v) for k, v in env.items()},
        }
        self.children[name] = subprocess.Popen(
            [str(a) for a in argv], env=env, stdout=out, stderr=out, cwd=self.folder
        )

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
    """The result of `run`, and the CPU that each process spent per request of it, in µs."""
    before = {p: cpu_seconds(processes.pids(p)) for p in passes}
    result = run()
    return result, {
        p: (cpu_seconds(processes.pids(p)) - before[p]) * 1e6 / result["requests"] for p in passes
    }


def memory_kb(pid, field):
    return int(re.search(rf"{field}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1])


def resident_mb(processes):
    return {n: round(memory_kb(c.pid, "VmRSS") / 1024, 1) for n, c in processes.children.items()}
