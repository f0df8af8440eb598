"""Plots: as the platform draws them, and on axes of matplotlib."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .frames import detection

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Picture:
    """A PNG. A notebook shows it."""

    def __init__(self, png: bytes) -> None:
        self.png = png

    def __bytes__(self) -> bytes:
        return self.png

    def _repr_png_(self) -> bytes:
        return self.png

    def __repr__(self) -> str:
        return f"<Picture {len(self.png)} bytes>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it to a file."""
        Path(path).write_bytes(self.png)


def axes(out: Any, ax: Axes | None = None) -> Axes:
    """Draws a frame that `detect()` or `predict_many()` gave: values, normal range, anomalies.

    Needs matplotlib. `ax` are the axes to draw on; by default new ones.
    """
    import matplotlib.pyplot

    if ax is None:
        _, ax = matplotlib.pyplot.subplots(figsize=(9, 3.5), layout="constrained")
    found = detection(out)
    x = out[found.time] if found.time is not None else out.index
    odd = out["anomaly"].to_numpy()
    several = len(found.columns) > 1
    for name in found.columns:
        y = out[name].to_numpy()
        (line,) = ax.plot(x, y, linewidth=1, label=str(name))
        lower, upper = (f"{name}.lower", f"{name}.upper") if several else ("lower", "upper")
        edges = (out[lower].to_numpy(), out[upper].to_numpy())
        ax.fill_between(x, *edges, alpha=0.2, linewidth=0, color=line.get_color())
        ax.plot(x.to_numpy()[odd], y[odd], "o", markersize=4, color="tab:red", zorder=3)
    first, last = x.min(), x.max()
    for episode in found.episodes:
        began, end = episode.began or episode.start, episode.end
        if end >= first and began <= last:  # a part of the frame has a part of the episodes
            ax.axvspan(began, end, alpha=0.12, color="tab:red")  # type: ignore[arg-type]
    if several:
        ax.legend()
    return ax
