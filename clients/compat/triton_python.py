"""NVIDIA's client of the Open Inference Protocol, against the address in the first argument. Exits
with 1 and a traceback if a reply is not as it needs it."""

import json
import sys
import urllib.request

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

ADDRESS = sys.argv[1]


def fit(series):
    body = {"timestamps": list(range(500)), "values": [10 + i * 7 % 11 / 10 for i in range(500)]}
    request = urllib.request.Request(f"{ADDRESS}/fit/{series}", json.dumps(body).encode())
    assert urllib.request.urlopen(request).status == 200


def tensors(binary):
    timestamp = triton.InferInput("timestamp", [2], "INT64")
    timestamp.set_data_from_numpy(np.array([1000, 1001], dtype=np.int64), binary_data=binary)
    value = triton.InferInput("value", [2], "FP64")
    value.set_data_from_numpy(np.array([10.4, 99.0]), binary_data=binary)
    return [timestamp, value]


fit("s")
client = triton.InferenceServerClient(ADDRESS.removeprefix("http://"))
assert client.is_server_live() and client.is_server_ready()
assert client.is_model_ready("s") and not client.is_model_ready("nobody")
assert client.get_server_metadata()["name"] == "anomaly"
assert client.get_model_metadata("s")["versions"] == ["v1"]
for binary in (True, False):
    for version in ("", "1", "v1"):
        reply = client.infer("s", tensors(binary), model_version=version, request_id="7")
        assert reply.get_response()["id"] == "7"
        assert reply.as_numpy("anomaly").tolist() == [False, True]
        assert reply.as_numpy("score").shape == (2,)
try:
    client.infer("nobody", tensors(True))
except InferenceServerException as refused:
    assert "not found" in refused.message().lower(), refused
else:
    raise AssertionError("a model that is not there has judged")
