"""How bodies are written that are neither JSON nor text."""

import base64
import binascii

import schemathesis


def as_bytes(value):
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


@schemathesis.serializer("application/x-ndjson")
def lines(_context, value):
    return as_bytes(value)


@schemathesis.serializer("application/x-protobuf")
def packed(_context, value):
    """The example is in Base64; what is generated is sent as it is."""
    data = as_bytes(value)
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        return data
