// Microsoft's JavaScript client of Azure Anomaly Detector, against the address in the first argument.
// Exits with 1 if a reply is not as it needs it.

import assert from "node:assert/strict";
import { AzureKeyCredential } from "@azure/core-auth";
import detector from "@azure/ai-anomaly-detector";

const { AnomalyDetectorClient } = detector;

const client = new AnomalyDetectorClient(process.argv[2], new AzureKeyCredential("any"), {
  allowInsecureConnection: true,
});
const series = Array.from({ length: 120 }, (_, i) => ({
  timestamp: new Date(Date.UTC(2024, 0, 1, i)),
  value: 20 + 5 * Math.sin((2 * Math.PI * i) / 24) + ((i * 7) % 5) / 5 + (i === 50 ? 40 : 0),
}));
const request = { series, granularity: "hourly", sensitivity: 95 };

const entire = await client.detectEntireSeries(request);
assert.deepEqual(entire.isAnomaly.flatMap((odd, i) => (odd ? [i] : [])), [50]);
const last = await client.detectLastPoint(request);
assert.equal(last.isAnomaly, false);
const change = await client.detectChangePoint({ series, granularity: "hourly" });
assert.equal(change.isChangePoint.length, 120);
await assert.rejects(client.detectEntireSeries({ ...request, series: series.slice(0, 5) }), { statusCode: 400 });
