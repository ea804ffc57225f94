"""The pictures of docs/how-it-decides.md.

    python -m benchmarks.pictures [--out docs]

Two come from the recording of an upgrade under real Envoys, drawn by the code of the report; two
show `models.tails` and `models.spans` at work on numbers that the page names.
"""

from __future__ import annotations

import argparse
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import vl_convert

from detector.replaying import Inputs, replay
from detector.report import chartdata, charts
from detector.report.theme import GROUND, config
from detector.settings import Settings
from models import tails
from models.spans import SPANS

ROOT = Path(__file__).parents[1]
RECORDING = ROOT / "tests" / "data" / "recordings" / "a_upgrade_nc"
EXPECTED = 2.0  # errors
MOST = 30
CLUMPS = {"errors come singly": 1.0, "in clumps of four": 4.0, "in clumps of twelve": 12.0}
"""Variance of a count as a multiple of its mean."""
RATE = 0.2  # errors a bucket that are ordinary
RAMP = 0.55  # errors a bucket of a fault, from the middle on


def main() -> None:
    """Draw all of them."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, default=ROOT / "docs")
    out: Path = options.parse_args().out
    for name, picture in (*_recorded(), ("tails", _tails()), ("scales", _scales())):
        (out / f"how-{name}.png").write_bytes(picture)


def _recorded() -> list[tuple[str, bytes]]:
    """The incident of the recording: over time, and around each proxy's reconnect."""
    inputs = Inputs(
        access=[str(RECORDING / "access.log.zst")], control=[str(RECORDING / "istiod.log.zst")]
    )
    settings = Settings()
    worker = replay(inputs, settings, lambda _: None).worker
    (incident,) = worker.incidents
    since = incident.started_at - timedelta(seconds=settings.report.context_s)
    history = worker.engine.history(incident.series, since)
    moments = worker.moments.of(incident.series, since)
    window = incident.attribution.window
    assert window is not None
    span = chartdata.span_of(incident, moments, settings.detection.bucket_s)
    bins = chartdata.error_bins(history, moments, span)
    expected = chartdata.expected_bins(history, span, settings.detection.bucket_s)
    around = chartdata.offset_bins(chartdata.aligned(moments, window))
    return [
        ("errors", charts.png(charts.errors(bins, expected, worker.windows, incident, span))),
        ("reconnects", charts.png(charts.alignment(around))),
    ]


def _tails() -> bytes:
    """How surprising a count is where two errors are expected, by how much errors clump."""
    count = np.arange(1.0, MOST + 1)
    mean = np.full_like(count, EXPECTED)
    rows = [
        {"errors": n, "surprise": z, "service": name}
        for name, ratio in CLUMPS.items()
        for n, z in zip(
            count.tolist(), tails.surprise(count, mean, mean * ratio).tolist(), strict=True
        )
    ]
    return _lines(
        rows,
        ("errors", "surprise", "service"),
        {
            "errors": f"errors counted, {EXPECTED:.0f} expected",
            "surprise": "surprise: decades of improbability",
        },
        "The same count means less where errors come in clumps",
    )


def _scales() -> bytes:
    """A weak fault on four time scales: errors over what is expected, in units of surprise."""
    rng = np.random.default_rng(7)
    rate = np.concatenate([np.full(180, RATE), np.full(180, RATE + RAMP)])
    errors = rng.poisson(rate).astype(float)
    rows = []
    for span in SPANS:
        total = np.convolve(errors, np.ones(span))[: errors.size]
        mean = np.convolve(np.full_like(errors, RATE), np.ones(span))[: errors.size]
        surprise = tails.surprise(total, mean, mean * 1.5)
        length = f"{span * 10} s" if span < 6 else f"{span // 6} min"
        rows += [
            {"minute": n / 6 - 30, "surprise": z, "scale": length}
            for n, z in enumerate(surprise.tolist())
        ]
    titles = {
        "minute": "minutes since a weak fault began",
        "surprise": "surprise: decades of improbability",
    }
    title = "A fault of one error in twenty seconds shows on the long scales only"
    return _lines(rows, ("minute", "surprise", "scale"), titles, title)


def _lines(
    rows: list[dict[str, Any]], fields: tuple[str, str, str], titles: dict[str, str], title: str
) -> bytes:
    """A line a group; the fields are x, y and what the rows are grouped by."""
    x, y, by = fields
    order = list(dict.fromkeys(row[by] for row in rows))
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "data": {"values": rows},
        "title": title,
        "width": charts.WIDTH,
        "height": charts.HEIGHT,
        "padding": 16,
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {
            "x": {"field": x, "type": "quantitative", "title": titles[x], "axis": {"grid": False}},
            "y": {"field": y, "type": "quantitative", "title": titles[y]},
            "color": {"field": by, "type": "nominal", "sort": order, "title": None},
        },
    }
    colours = {**config("light"), "background": GROUND["light"]}
    return vl_convert.vegalite_to_png(spec, config=colours, scale=2.0, allowed_base_urls=[])


if __name__ == "__main__":
    main()
