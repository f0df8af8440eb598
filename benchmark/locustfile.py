"""The usual profile: 100 users who each ask about one of five sensors every 0.5 to 1 s.

    locust -f benchmark/locustfile.py                       then open http://localhost:8089
    locust -f benchmark/locustfile.py --headless -t 60s     without the web page

Before the first user starts, sensor_01 to sensor_05 are fitted: each of these series gets a new
version. Every reply is checked. If one is wrong, or there is none at all, Locust ends with status 1.
If the platform does not answer, the test does not start. --host, --users and --spawn-rate override
the values of this file.

ANOMALY_API_KEY is sent with every request, if it is set; the key needs the scopes predict and fit.
ANOMALY_CLIENT_CERT_FILE and ANOMALY_CLIENT_KEY_FILE are shown to an https:// platform that asks for
a certificate. REQUESTS_CA_BUNDLE names the authority of the platform's own.

With DETECT_USERS=5 in the environment, five of the users send batches and detections instead, every
5 to 10 s.
"""

import logging
import math
import os
import random
import re
import sys
import time

import gevent.ssl
import requests
from locust import FastHttpUser, between, events, task
from locust.runners import WorkerRunner

SENSORS = [f"sensor_{number:02}" for number in range(1, 6)]
KEY = os.environ.get("ANOMALY_API_KEY")
HEADERS = {"Authorization": f"Bearer {KEY}"} if KEY else {}
CERTIFICATE = tuple(os.environ.get(f"ANOMALY_CLIENT_{what}_FILE") for what in ("CERT", "KEY"))
VERSION = re.compile(r"v[1-9][0-9]*")


@events.init_command_line_parser.add_listener
def set_profile(parser):
    parser.set_defaults(num_users=100, spawn_rate=20.0)


@events.test_start.add_listener
def train_sensors(environment, **_):
    """Fits the five sensors; a test without them does not start."""
    if isinstance(environment.runner, WorkerRunner):
        return
    host = (environment.host or PredictUser.host).rstrip("/")
    environment.host = host
    logging.info("fitting a new version of %s at %s", ", ".join(SENSORS), host)
    try:
        for sensor in SENSORS:
            train(host, sensor)
    except requests.ConnectionError:
        refuse(
            environment, f"nothing answers at {host}: start the platform, or name it with --host"
        )
    except (requests.RequestException, ValueError, KeyError) as error:
        refuse(environment, f"{host} did not fit the sensors: {error}")


def certificate():
    """Our certificate and its key, as files; None without them."""
    return CERTIFICATE if all(CERTIFICATE) else None


def users_tls():
    """How the users speak TLS: to whoever answers, with our certificate if there is one."""
    context = gevent.ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = gevent.ssl.CERT_NONE
    if certificate():
        context.load_cert_chain(*certificate())
    return context


def refuse(environment, why):
    """Ends Locust; with the web page only this test, so that another host can be entered there."""
    logging.error(why)
    if environment.web_ui:
        gevent.spawn(environment.runner.stop)
    else:
        sys.exit(1)


def train(host, sensor):
    """Fits on 100 points amid the values asked about, so that only the highest are anomalies."""
    now = int(time.time())
    body = {
        "timestamps": [now - 60 * (100 - minute) for minute in range(100)],
        "values": [22.0 + minute % 6 for minute in range(100)],
    }
    reply = requests.post(f"{host}/fit/{sensor}", json=body, headers=HEADERS, timeout=30, cert=certificate())
    if reply.status_code != 200 or not VERSION.fullmatch(reply.json()["version"]):
        raise ValueError(f"{sensor}: {reply.status_code} {reply.text}")


@events.init.add_listener
def judge(environment, **_):
    """Fails the run if any reply was wrong, also before --reset-stats, or if there was no reply."""
    wrong = 0

    def count(exception, **_):
        nonlocal wrong
        wrong += exception is not None

    def end(**_):
        total = environment.stats.total
        if total.num_requests == 0 or total.fail_ratio > 0 or wrong:
            environment.process_exit_code = 1

    environment.events.request.add_listener(count)
    environment.events.quitting.add_listener(end)


class PredictUser(FastHttpUser):
    host = "http://localhost:8080"
    ssl_context_factory = staticmethod(users_tls)
    wait_time = between(0.5, 1)

    @task
    def predict(self):
        sensor = random.choice(SENSORS)
        point = {"timestamp": int(time.time()), "value": random.uniform(20, 30)}
        with self.client.post(
            f"/predict/{sensor}", json=point, headers=HEADERS, catch_response=True
        ) as response:
            fault = fault_of(response)
            if fault:
                response.failure(fault)


if int(os.environ.get("DETECT_USERS", 0)) > 0:

    class DetectUser(FastHttpUser):
        host = PredictUser.host
        ssl_context_factory = staticmethod(users_tls)
        wait_time = between(5, 10)
        fixed_count = int(os.environ["DETECT_USERS"])

        @task
        def batch(self):
            sensor = random.choice(SENSORS)
            values = [random.uniform(20, 30) for _ in range(1000)]
            self.judge(f"/predict/{sensor}/batch", "/predict/[sensor]/batch", values, len(values))

        @task
        def detect(self):
            values = [22 + 3 * math.sin(n / 10) + random.random() for n in range(5000)]
            judged = len(values) - 750  # the default share is 750 points at most
            self.judge("/v1/detect", "/v1/detect", values, judged)

        def judge(self, path, name, values, judged):
            start = int(time.time()) - 60 * len(values)
            body = {"timestamps": [start + 60 * n for n in range(len(values))], "values": values}
            with self.client.post(
                path, name=name, json=body, headers=HEADERS, catch_response=True
            ) as response:
                fault = fault_of_all(response, judged)
                if fault:
                    response.failure(fault)


def fault_of_all(response, judged):
    """The fault of a reply that has to judge `judged` points, or None."""
    if response.status_code != 200:
        return f"status {response.status_code}"
    try:
        verdicts = response.json()["verdicts"]
        wrong = sum(not isinstance(verdict["anomaly"], bool) for verdict in verdicts)
    except (ValueError, KeyError, TypeError):
        return f"not verdicts: {response.text[:100]}"
    if len(verdicts) != judged or wrong:
        return f"{len(verdicts)} verdicts instead of {judged}, {wrong} of them wrong"
    return None


def fault_of(response):
    """What is wrong with a reply, or None."""
    if response.status_code != 200:
        return f"status {response.status_code}"
    try:
        reply = response.json()
        version, anomaly = reply["model_version"], reply["anomaly"]
    except (ValueError, KeyError, TypeError):
        return f"not a verdict: {response.text[:100]}"
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        return f"model_version is {version!r}"
    if not isinstance(anomaly, bool):
        return f"anomaly is {anomaly!r}"
    return None
