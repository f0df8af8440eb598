#!/usr/bin/env python3
"""Writes the tables of the documents that are generated, each between two marks.

docs/benchmarks.md has all tables of results/, README.md the first of speed and some key figures of
quality, docs/settings.md the settings of .env.example, and the Helm chart's schema their names. static/locust.svg is drawn as well. Run by run.sh; run
it again after editing a mark or .env.example: benchmark/tables.py [results folder]
"""

import csv
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def saturation_table(report):
    lines = [
        "| form | CPU µs a request | of which | requests/s | p50 ms | p99 ms | CPU, relative |",
        "|---|---|---|---|---|---|---|",
    ]
    references = {"standalone": "bare axum", "distributed": "nginx + predictor"}
    for entry in report["summary"]:
        if entry["connections"] != 64:
            continue
        cpu, rate = entry["cpu_us"], entry["requests_per_second"]
        parts = (
            ", ".join(
                f"{name.partition('_')[0]} {cost}"
                for name, cost in entry["cpu_us_by_process"].items()
            )
            if len(entry["cpu_us_by_process"]) > 1
            else ""
        )
        reference = references.get(entry["form"])
        ratio = entry.get("cpu_ratio", {}).get(reference)
        against = f"**{ratio:.2f}** × {reference}" if ratio else ""
        lines.append(
            f"| {entry['form']} | **{cpu['median']:.1f}** ({cpu['min']:.1f}–{cpu['max']:.1f}) | {parts} "
            f"| {rate['median']:,.0f} | {entry['p50_ms']['median']:.2f} | {entry['p99_ms']['median']:.2f} | {against} |"
        )
    return lines


def short_table(report):
    """The forms and one reference without details, for the README."""
    shown = ("standalone", "distributed", "nginx + predictor")
    lines = ["| form | CPU µs a request | requests/s | p50 ms | p99 ms |", "|---|---|---|---|---|"]
    for entry in report["summary"]:
        if entry["connections"] == 64 and entry["form"] in shown:
            form, cpu, rate = entry["form"], entry["cpu_us"], entry["requests_per_second"]
            p50, p99 = entry["p50_ms"]["median"], entry["p99_ms"]["median"]
            lines.append(
                f"| {form} | {cpu['median']:.1f} | {rate['median']:,.0f} | {p50:.2f} | {p99:.2f} |"
            )
    return lines


def fit_table(report):
    lines = [
        "| form | detector | points | body | reply after (median) | peak memory, all processes |",
        "|---|---|---|---|---|---|",
    ]
    for fit in report["fit"]:
        lines.append(
            f"| {fit['form']} | `{fit['detector']}` | {fit['points']:,} | {fit['body_mb']} MB | {fit['median_ms']:.0f} ms | {fit['peak_memory_mb']} MB |"
        )
    return lines


def bulk_table(report):
    lines = [
        "| form and call | points | reply | reply after (median) | points/s |",
        "|---|---|---|---|---|",
    ]
    for bulk in report["bulk"]:
        lines.append(
            f"| {bulk['form']} `{bulk['call']}` | {bulk['points']:,} | {bulk['reply_mb']} MB | {bulk['median_ms']:.0f} ms | {bulk['points_per_second']:,} |"
        )
    return lines


def locust_rows(results, form):
    with open(results / f"locust-{form}_stats.csv", newline="") as file:
        return {row["Name"]: row for row in csv.DictReader(file)}


def locust_table(results):
    lines = [
        "| Locust, 100 users | requests | failures | requests/s | p50 ms | p99 ms | max ms |",
        "|---|---|---|---|---|---|---|",
    ]
    for form, name in (
        ("bare", "bare axum"),
        ("standalone", "standalone"),
        ("distributed", "distributed"),
    ):
        row = locust_rows(results, form)["Aggregated"]
        lines.append(
            f"| {name} | {row['Request Count']} | {row['Failure Count']} | {float(row['Requests/s']):.0f} | {row['50%']} | {row['99%']} "
            f"| {float(row['Max Response Time']):.0f} |"
        )
    return lines


def history(results, form):
    with open(results / f"locust-{form}_stats_history.csv", newline="") as file:
        rows = [
            row
            for row in csv.DictReader(file)
            if row["Name"] == "Aggregated" and row["50%"] not in ("", "N/A")
        ]
    start = int(rows[0]["Timestamp"])
    return [
        (int(r["Timestamp"]) - start, float(r["Requests/s"]), float(r["50%"]), float(r["99%"]))
        for r in rows
    ]


class Panel:
    """One chart with its axes, drawn as SVG by hand."""

    def __init__(self, x, title, unit, width=430, height=240, top=70):
        self.x, self.y, self.width, self.height = x, top, width, height
        self.out = [
            f'<text x="{x}" y="{top - 14}" font-size="14" font-weight="600">{title}</text>',
            f'<text x="{x + width}" y="{top - 14}" font-size="11" fill="#667" text-anchor="end">{unit}</text>',
        ]

    def axes(self, seconds, largest):
        self.seconds, self.largest = seconds, largest
        for i in range(5):
            y = self.y + self.height * (1 - i / 4)
            self.out.append(
                f'<line x1="{self.x}" y1="{y:.1f}" x2="{self.x + self.width}" y2="{y:.1f}" stroke="#e3e6ea"/>'
            )
            self.out.append(
                f'<text x="{self.x - 6}" y="{y + 4:.1f}" font-size="11" fill="#667" text-anchor="end">{largest * i / 4:g}</text>'
            )
        for i in range(0, int(seconds) + 1, 10):
            x = self.x + self.width * i / seconds
            self.out.append(
                f'<text x="{x:.1f}" y="{self.y + self.height + 18}" font-size="11" fill="#667" text-anchor="middle">{i} s</text>'
            )

    def line(self, points, colour, dash=""):
        at = [
            f"{self.x + self.width * min(t / self.seconds, 1):.1f},{self.y + self.height * (1 - min(v / self.largest, 1)):.1f}"
            for t, v in points
        ]
        self.out.append(
            f'<polyline points="{" ".join(at)}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round" stroke-dasharray="{dash}"/>'
        )


def nice(value):
    """The next of 1, 2, 4, 8 × a power of ten, so that quarters are round."""
    scale = 10 ** (len(str(int(max(value, 1)))) - 1)
    return next(step * scale for step in (1, 2, 4, 8, 12, 20) if step * scale >= value)


def chart(results):
    colours = {"standalone": "#2563a8", "distributed": "#c2571a"}
    runs = {form: history(results, form) for form in colours}
    seconds = max(run[-1][0] for run in runs.values()) or 1
    rate, latency = (
        Panel(60, "Requests a second", "100 users"),
        Panel(560, "Response time", "ms, p50 solid, p99 dashed"),
    )
    rate.axes(seconds, nice(max(r[1] for run in runs.values() for r in run)))
    latency.axes(seconds, nice(max(r[3] for run in runs.values() for r in run)))
    legend = []
    for i, (form, colour) in enumerate(colours.items()):
        rate.line([(t, v) for t, v, _, _ in runs[form]], colour)
        latency.line([(t, p50) for t, _, p50, _ in runs[form]], colour)
        latency.line([(t, p99) for t, _, _, p99 in runs[form]], colour, "5 4")
        legend.append(
            f'<rect x="{60 + 130 * i}" y="20" width="18" height="4" fill="{colour}"/>'
            f'<text x="{84 + 130 * i}" y="26" font-size="12">{form}</text>'
        )
    body = "\n".join(legend + rate.out + latency.out)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1040 350" font-family="Helvetica, Arial, sans-serif" fill="#223">\n'
        f'<rect width="1040" height="350" rx="8" fill="#fff"/>\n{body}\n</svg>\n'
    )


# The key figures that the README shows, and what it calls them.
SHOWN = {
    "NAB: alarms of /v1/detect": "Numenta Anomaly Benchmark, alarms online",
    "NAB by rows, batch: first after 24": "the same, a frozen model in a batch",
    "incidents, mean of the sources without TODS": "incidents in KPI and shape series",
    "interval score at 0.01 over the best simple forecast, mean: NAB": "width and misses of the normal range, over the best simple forecast: NAB",
    "interval score at 0.01 over the best simple forecast, mean: tuning": "the same: KPI and shape series",
    "range holds a new level within 30 points, % of series": "the range holds a new level within 30 points, % of series",
    "period reported in noise, % of series": "a period is reported in noise, % of series",
    "true periods found, % of series": "a true period is found, % of series",
    "normal points flagged at 0.001, ‰: continuous kinds, most": "normal points flagged where 1 ‰ is asked for, ‰, the worst kind",
    "rows that contradict themselves, of a million: labelled series, online": "rows that contradict themselves, of a million",
}


def number(value):
    """A number with about three digits."""
    if value is None:
        return "–"
    size = abs(value)
    decimals = 0 if size >= 100 or value == int(value) else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{decimals}f}"


def figures_table(report, names=None):
    """Key figures with their goals: all, or those of `names` by the names there."""
    rows = report["tables"][0]["rows"]
    lines = ["| figure | before | now | goal | met |", "|---|---|---|---|---|"]
    found = {row["figure"]: row for row in rows}
    for what, shown in (names or {what: what for what in found}).items():
        row = found[what]
        before, now = number(row["before"]), number(row["now"])
        lines.append(f"| {shown} | {before} | {now} | {row['goal']} | {row['met']} |")
    return lines


def settings_tables():
    """A heading and a table for each section of .env.example.

    Each variable there has a comment above it, and is commented out where the default serves.
    """
    lines, about = [], ""
    for line in (ROOT / ".env.example").read_text().splitlines():
        section = re.fullmatch(r"# -- (.*)", line)
        variable = re.fullmatch(r"(?:# )?([A-Z][A-Z0-9_]*)=(.*)", line)
        if section:
            lines += [
                "",
                f"## {section[1]}",
                "",
                "| variable | default | meaning |",
                "|---|---|---|",
            ]
        elif variable:
            default = f"`{variable[2]}`" if variable[2] else ""
            lines.append(f"| `{variable[1]}` | {default} | {about} |")
        about = line.removeprefix("# ")
    return lines[1:]


def chart_settings():
    """Tells the chart which settings there are; it sets ports and folder of the pods itself."""
    own = {"APP_PORT", "ADMIN_PORT", "DATA_DIR"}
    example = (ROOT / ".env.example").read_text()
    names = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=", example, flags=re.M)
    path = ROOT / "packaging" / "helm" / "anomaly" / "values.schema.json"
    schema = json.loads(path.read_text())
    schema["definitions"]["settings"]["propertyNames"]["enum"] = [
        name for name in names if name not in own and not name.startswith("ANOMALY_")
    ]
    path.write_text(json.dumps(schema, indent=2) + "\n")


def conditions(report):
    """One sentence: on which machine, and how often."""
    m = report["machine"]
    return (
        f"Measured on {m['cores']} cores ({m['cpu']}), {m['memory_gib']} GiB, Linux {m['kernel']}, "
        f"at commit {m['commit']}: one worker thread in every server, 64 connections, median (range) "
        f"of {report['rounds']} interleaved rounds of {report['seconds']} s."
    )


def replace_between(path, mark, lines):
    """Puts `lines` between the two marks in the document at `path`."""
    replaced, count = re.subn(
        rf"(<!-- {mark} -->\n).*(<!-- /{mark} -->)",
        lambda found: found[1] + "\n".join(lines) + "\n" + found[2],
        path.read_text(),
        flags=re.S,
    )
    if count != 1:
        raise SystemExit(f"{path} has {count} places for {mark}")
    path.write_text(replaced)


def main():
    default = ROOT / "benchmark" / "results"
    results = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    report = json.loads((results / "saturation.json").read_text())
    requests = [conditions(report), "", *saturation_table(report)]
    benchmarks = ROOT / "docs" / "benchmarks.md"
    replace_between(ROOT / "README.md", "requests", short_table(report))
    replace_between(benchmarks, "requests", requests)
    quality = json.loads((results / "quality" / "figures.json").read_text())
    replace_between(ROOT / "README.md", "figures", figures_table(quality, SHOWN))
    replace_between(benchmarks, "figures", figures_table(quality))
    replace_between(benchmarks, "fits", fit_table(report))
    replace_between(benchmarks, "bulk", bulk_table(report))
    replace_between(benchmarks, "locust", locust_table(results))
    replace_between(ROOT / "docs" / "settings.md", "settings", settings_tables())
    chart_settings()
    (ROOT / "static" / "locust.svg").write_text(chart(results))


if __name__ == "__main__":
    main()
