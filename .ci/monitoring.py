#!/usr/bin/env python3
"""Checks examples/observability with a real Prometheus: its files are accepted, each alert is raised by its test, and,
scraping a real standalone, no rule and no panel of the dashboard fails, and panels about what happened have data.
Needs promtool and prometheus, and target/debug/standalone."""

import contextlib
import json
import math
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDER = ROOT / "examples/observability"
# Panels that may be empty on a platform without trouble and streams.
QUIET = {"Alerts", "Anomalous predictions"}
CONFIG = """
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [%s]
scrape_configs: [{ job_name: standalone, static_configs: [{ targets: ["127.0.0.1:%d"] }] }]
"""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(url, data=data, timeout=10) as reply:
        return reply.read().decode()


def eventually(what, question, seconds=60):
    """Asks until the answer is true."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if answer := question():
                return answer
        if time.monotonic() > end:
            sys.exit(f"never came: {what}")
        time.sleep(0.2)


@contextlib.contextmanager
def running(log, *command, **options):
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out, **options) as process:
        try:
            yield
        finally:
            process.terminate()


def traffic(url):
    """Fits, predicts and observes a daily wave, with a jump at its end."""
    wave = [100 + 10 * math.sin(i / 24 * math.tau) + math.sin(i * 7.3) for i in range(480)]
    ask(f"{url}/fit/web", {"timestamps": [i * 3600 for i in range(480)], "values": wave})
    for i in range(300):
        ask(f"{url}/predict/web", {"timestamp": (480 + i) * 3600, "value": wave[i]})
    ask(f"{url}/observe/web", {"timestamps": [(480 + i) * 3600 for i in range(24)], "values": wave[:23] + [600]})


def panels():
    """The title of each panel with each of its queries."""
    for panel in json.loads((FOLDER / "grafana/anomaly.json").read_text())["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"].replace("$__rate_interval", "1m")


def query(prometheus, expression):
    reply = json.loads(ask(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"))
    values = [float(sample["value"][1]) for sample in reply["data"]["result"]]
    return [value for value in values if not math.isnan(value)]


def rules(prometheus):
    groups = json.loads(ask(f"{prometheus}/api/v1/rules"))["data"]["groups"]
    return [rule for group in groups for rule in group["rules"]]


def look(prometheus):
    eventually(
        "a scrape after all traffic",
        lambda: sum(query(prometheus, "rate(anomaly_predictor_predictions_total[1m])")) > 0
        and sum(query(prometheus, "increase(anomaly_observer_points_total[1m])")) > 0
        and query(prometheus, "anomaly_store_series == 1"),
    )
    eventually("all rules", lambda: all(rule["health"] != "unknown" for rule in rules(prometheus)))
    failed = [(rule["name"], rule["lastError"]) for rule in rules(prometheus) if rule["health"] != "ok"]
    raised = [rule["name"] for rule in rules(prometheus) if rule["alerts"]]
    with_data = {title for title, expression in panels() if query(prometheus, expression)}
    empty = {title for title, _ in panels()} - with_data - QUIET
    print(f"{len(rules(prometheus))} rules, {len(with_data)} panels with data")
    if failed or raised or empty:
        sys.exit(f"rules that fail: {failed}; alerts: {raised}; panels without data: {sorted(empty)}")


def main():
    for words in (["check", "config", "prometheus.yml"], ["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        subprocess.run(["promtool", *words], cwd=FOLDER, check=True)
    app, admin, own = free_port(), free_port(), free_port()
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        folder = pathlib.Path(folder)
        config = folder / "prometheus.yml"
        config.write_text(CONFIG % (FOLDER / "alerts.yml", admin))
        settings = {"APP_PORT": str(app), "ADMIN_PORT": str(admin), "DATA_DIR": str(folder / "data")}
        stack.enter_context(running(folder / "standalone.log", ROOT / "target/debug/standalone", env=settings))
        stack.enter_context(running(
            folder / "prometheus.log", "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{own}"))
        url, prometheus = f"http://127.0.0.1:{app}", f"http://127.0.0.1:{own}"
        eventually("standalone", lambda: ask(f"{url}/readyz"))
        # Rates need what was before.
        eventually("a first scrape", lambda: query(prometheus, "anomaly_ready == 1"))
        traffic(url)
        look(prometheus)


main()
