"""Calls of a platform, and the bodies of large ones."""

import json
import math
import random
import re
import time
import urllib.request


def call(port, method, path, body=None, headers={}):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", method=method, data=body, headers=headers
    )
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
    """The value of a metric without labels, from `/metrics`."""
    text = call(admin_port, "GET", "/metrics").decode()
    return float(re.search(rf"^{name} (\S+)$", text, re.MULTILINE)[1])


def fit_body(detector, points):
    """Values between 100 and 127, one a minute."""
    values = ",".join(f"{100 + (i * 7919 % 1000) / 37:.6f}" for i in range(points))
    stamps = ",".join(str(1_693_459_200 + 60 * i) for i in range(points))
    return f'{{"detector":"{detector}","timestamps":[{stamps}],"values":[{values}]}}'.encode()


def bulk_body(points):
    """A daily wave at steps of five minutes, with noise and a few values that are far off."""
    chance = random.Random(7)
    values = (
        20
        + 5 * math.sin(i / 288 * math.tau)
        + chance.gauss(0, 0.5)
        + (30 if chance.random() < 0.0003 else 0)
        for i in range(points)
    )
    stamps = range(1_693_459_200, 1_693_459_200 + 300 * points, 300)
    return json.dumps(
        {"timestamps": list(stamps), "values": [round(v, 4) for v in values]}
    ).encode()
