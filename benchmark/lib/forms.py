"""The forms of the platform, and the references beside them."""

import json
import os
import shutil
import subprocess
import time

from lib.client import call, wait_ready
from lib.paths import BIN
from lib.processes import log

SERIES = 5
PORTS = {
    "bare": 18100,
    "nginx_bare": 18101,
    "nginx_predictor": 18102,
    "gateway": 18103,
    "trainer": 18104,
    "predictor": 18105,
    "standalone": 18106,
}

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


def train(port):
    for i in range(1, SERIES + 1):
        body = json.dumps(
            {
                "timestamps": [1693459200, 1693459260, 1693459320],
                "values": [10.0 * i, 10.5 * i, 11.0 * i],
            }
        )
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
        shared = {
            "KAFKA_BROKERS": os.environ["TEST_KAFKA_BROKERS"],
            "KAFKA_REPLICATION": 1,
            "KAFKA_TOPIC_PREFIX": f"{self.name}.",
            "DATABASE_URL": self.url,
            "REDIS_URL": os.environ["TEST_REDIS_URL"],
            "REDIS_KEY_PREFIX": f"{self.name}:",
        }
        subprocess.run(
            [BIN / "init"], env={**os.environ, **{k: str(v) for k, v in shared.items()}}, check=True
        )
        return shared


def start_gateway(processes, predictor_ports):
    urls = ",".join(f"http://127.0.0.1:{port}" for port in predictor_ports)
    processes.start(
        "gateway",
        [BIN / "gateway"],
        APP_PORT=PORTS["gateway"],
        ADMIN_PORT=0,
        TRAINER_URL=f"http://127.0.0.1:{PORTS['trainer']}",
        PREDICTOR_URL=urls,
    )
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
    processes.start("bare", [BIN / "bare"], APP_PORT=PORTS["bare"])
    wait_ready(PORTS["bare"], "/livez")
    started = time.monotonic()
    processes.start(
        "standalone",
        [BIN / "standalone"],
        APP_PORT=PORTS["standalone"],
        ADMIN_PORT=0,
        DATA_DIR=processes.folder / "data",
    )
    wait_ready(PORTS["standalone"])
    start_ms = (time.monotonic() - started) * 1000
    start_distributed(processes)
    forms = [
        ("bare axum", "bare", ["bare"]),
        ("standalone", "standalone", ["standalone"]),
        ("distributed", "gateway", ["gateway", "predictor"]),
    ]
    if shutil.which("nginx"):
        nginx(processes, "nginx_bare", "bare")
        nginx(processes, "nginx_predictor", "predictor")
        wait_ready(PORTS["nginx_bare"], "/livez")
        wait_ready(PORTS["nginx_predictor"], "/livez")
        forms += [
            ("nginx + bare axum", "nginx_bare", ["nginx_bare", "bare"]),
            ("nginx + predictor", "nginx_predictor", ["nginx_predictor", "predictor"]),
        ]
    else:
        log("nginx is not installed: its references are left out")
    train(PORTS["standalone"])
    train(PORTS["gateway"])
    return forms, start_ms
