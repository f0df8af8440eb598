"""Microsoft's Python clients of Azure Anomaly Detector, the new one and the old one, against the
address in the first argument. Exits with 1 and a traceback if a reply is not as they need it."""

import datetime as dt
import math
import sys

from azure.ai.anomalydetector import AnomalyDetectorClient as New
from azure.ai.anomalydetector.models import (
    TimeSeriesPoint,
    UnivariateChangePointDetectionOptions,
    UnivariateDetectionOptions,
)
from azure.cognitiveservices.anomalydetector import AnomalyDetectorClient as Old
from azure.cognitiveservices.anomalydetector.models import ChangePointDetectRequest, Point, Request
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError
from msrest.authentication import CognitiveServicesCredentials

ADDRESS = sys.argv[1]
START = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)


def hours(n=120, odd=()):
    """A course of the day, with outliers."""
    for i in range(n):
        value = 20 + 5 * math.sin(2 * math.pi * i / 24) + (i * 7 % 5) / 5 + (40 if i in odd else 0)
        yield START + dt.timedelta(hours=i), value


def new_client():
    client = New(ADDRESS, AzureKeyCredential("any"), retry_total=0)
    series = [TimeSeriesPoint(timestamp=t, value=v) for t, v in hours(odd={50})]
    options = UnivariateDetectionOptions(series=series, granularity="hourly", sensitivity=95)
    reply = client.detect_univariate_entire_series(options)
    assert [i for i, odd in enumerate(reply.is_anomaly) if odd] == [50], reply.is_anomaly
    assert reply.severity[50] > 0 and reply.period == 24
    assert len(reply.expected_values) == len(reply.upper_margins) == len(reply.lower_margins) == 120

    reply = client.detect_univariate_last_point(options)
    assert not reply.is_anomaly and reply.suggested_window == 97

    reply = client.detect_univariate_change_point(
        UnivariateChangePointDetectionOptions(series=series, granularity="hourly")
    )
    assert not any(reply.is_change_point) and len(reply.confidence_scores) == 120

    try:
        client.detect_univariate_entire_series(
            UnivariateDetectionOptions(series=series[:5], granularity="hourly")
        )
    except HttpResponseError as refused:
        assert refused.status_code == 400 and refused.model.code == "InvalidSeries", refused
    else:
        raise AssertionError("five points were taken")


def old_client():
    client = Old(ADDRESS, CognitiveServicesCredentials("any"))
    series = [Point(timestamp=t, value=v) for t, v in hours(odd={50})]
    request = Request(series=series, granularity="hourly", sensitivity=95)
    reply = client.entire_detect(request)
    assert [i for i, odd in enumerate(reply.is_anomaly) if odd] == [50], reply.is_anomaly
    reply = client.last_detect(request)
    assert not reply.is_anomaly and reply.expected_value and reply.upper_margin >= 0
    reply = client.change_point_detect(ChangePointDetectRequest(series=series, granularity="hourly"))
    assert not any(reply.is_change_point)


new_client()
old_client()
