#!/usr/bin/env python3
"""Writes requests.csv: four weeks of a web server's requests per second, every ten minutes.

The data is made up, and the same on every run. Traffic follows the hour of the day and is a little
lower at weekends. On the last Tuesday an outage takes most of the requests, from 14:00 to 15:20.
"""

import csv
import math
import pathlib
import random

START = 1_770_249_600  # Thursday, 5 February 2026, 00:00 UTC
STEP = 600
DAYS = 28
OUTAGE = (26 * 144 + 84, 26 * 144 + 92)  # rows: Tuesday, 3 March, from 14:00 to 15:20


def usual(row):
    """The usual requests per second at this row: lowest at four in the morning, highest at four."""
    hour, day_of_week = row % 144 / 6, row // 144 % 7
    day = 0.5 - 0.5 * math.cos((hour - 4) * math.pi / 12)
    evening = math.exp(-((hour - 20) ** 2) / 4)
    weekend = 0.93 if day_of_week in (2, 3) else 1.0
    return weekend * (60 + 110 * day ** 1.3 + 25 * evening)


def main():
    chance, drift = random.Random(2026), 0.0
    with open(pathlib.Path(__file__).with_name("requests.csv"), "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["timestamp", "requests"])
        for row in range(DAYS * 144):
            drift = 0.7 * drift + chance.gauss(0, 0.018)
            value = usual(row) * (1 + drift + chance.gauss(0, 0.012))
            if OUTAGE[0] <= row < OUTAGE[1]:
                value *= 0.35
            rows.writerow([START + STEP * row, f"{value:.1f}"])


if __name__ == "__main__":
    main()
