#!/usr/bin/env python3
"""Writes requests.csv: four weeks of a web server's requests a second, every ten minutes. Made up, and the same on every run.

Traffic follows the hour of the day and is a little lower at weekends. On the last Thursday the server loses most of its requests
from 14:00 to 15:20 (an outage behind it), and is then busier than usual for half an hour.
"""

import csv
import math
import pathlib
import random

START = 1_770_595_200  # Monday, 9 February 2026, 00:00 UTC
STEP = 600
DAYS = 28
OUTAGE = (24 * 144 + 84, 24 * 144 + 92)  # rows: the fourth Thursday, from 14:00 to 15:20
BACKLOG = (OUTAGE[1], OUTAGE[1] + 3)


def usual(row):
    """The requests a second that are usual at this row: lowest at four in the morning, highest in the afternoon."""
    hour, weekday = row % 144 / 6, row // 144 % 7
    day = 0.5 - 0.5 * math.cos((hour - 4) * math.pi / 12)
    evening = math.exp(-((hour - 20) ** 2) / 4)
    weekend = 0.93 if weekday >= 5 else 1.0
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
            if BACKLOG[0] <= row < BACKLOG[1]:
                value *= 1.35
            rows.writerow([START + STEP * row, f"{value:.1f}"])


if __name__ == "__main__":
    main()
