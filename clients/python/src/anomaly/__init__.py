"""Client of the anomaly detection platform: frames in, verdicts out.

>>> from anomaly import Client
>>> with Client("http://localhost:8080") as a:
...     out = a.detect(df["temperature"])
"""

from ._async.client import AsyncClient, AsyncVerdicts
from ._async.series import AsyncSeries
from ._sync.client import Client, Verdicts
from ._sync.series import Series
from ._version import __version__
from .calls import VersionWarning
from .errors import (
    AnomalyError,
    BadGateway,
    BadReply,
    BadRequest,
    Conflict,
    Forbidden,
    GatewayTimeout,
    HeadersTooLarge,
    InsufficientStorage,
    InternalError,
    InvalidData,
    MethodNotAllowed,
    NotConnected,
    NotFound,
    PayloadTooLarge,
    PreconditionFailed,
    RateLimited,
    RequestTimeout,
    TimedOut,
    Unauthorized,
    Unavailable,
    UnprocessableEntity,
    UnsupportedMediaType,
    UriTooLong,
)
from .frames import detection
from .picture import Picture, axes
from .times import NaiveTimeWarning, Time, Unit, to_datetime
from .types import (
    Alias,
    Anomaly,
    ChangePoint,
    Detection,
    Episode,
    Event,
    FittedModel,
    Model,
    SeriesInfo,
    Silence,
    Stream,
    Verdict,
)

__all__ = [
    "Alias",
    "Anomaly",
    "AnomalyError",
    "AsyncClient",
    "AsyncSeries",
    "AsyncVerdicts",
    "BadGateway",
    "BadReply",
    "BadRequest",
    "ChangePoint",
    "Client",
    "Conflict",
    "Detection",
    "Episode",
    "Event",
    "FittedModel",
    "Forbidden",
    "GatewayTimeout",
    "HeadersTooLarge",
    "InsufficientStorage",
    "InternalError",
    "InvalidData",
    "MethodNotAllowed",
    "Model",
    "NaiveTimeWarning",
    "NotConnected",
    "NotFound",
    "PayloadTooLarge",
    "Picture",
    "PreconditionFailed",
    "RateLimited",
    "RequestTimeout",
    "Series",
    "SeriesInfo",
    "Silence",
    "Stream",
    "Time",
    "TimedOut",
    "Unauthorized",
    "Unavailable",
    "Unit",
    "UnprocessableEntity",
    "UnsupportedMediaType",
    "UriTooLong",
    "Verdict",
    "Verdicts",
    "VersionWarning",
    "__version__",
    "axes",
    "detection",
    "to_datetime",
]
