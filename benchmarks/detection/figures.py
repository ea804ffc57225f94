"""The figures of a run: recall by size, false incidents, delay, duplicates, causes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from scipy.stats import beta, chi2

from benchmarks.detection.evaluate import Label, Outcome
from detector.types import Incident

CLASSES = (("tiny", 0, 50), ("small", 50, 300), ("medium", 300, 3000), ("large", 3000, 10**9))
BINS = 5
"""Equal bins of confidence, 0.5 to 1, for the expected calibration error."""

Figure = float | int | str | None | list[float]


def figures(outcome: Outcome) -> dict[str, object]:
    """All figures; shares are None where there is nothing to share."""
    hits = [(label, about) for label, about in outcome.found if about]
    delays = [
        (about[0].detected_at - datetime.fromisoformat(str(label["start"]))).total_seconds()
        for label, about in hits
    ]
    by_size = {
        name: share([bool(a) for b, a in outcome.found if low <= int(str(b["excess"])) < high])
        for name, low, high in CLASSES
    }
    kinds = sorted({str(label["kind"]) for label, _ in outcome.found})
    found = [bool(about) for _, about in outcome.found]
    return {
        "weeks": round(outcome.weeks, 2),
        "labels": len(found),
        "recall": share(found),
        "recall_95": [round(x, 3) for x in of_share(sum(found), len(found))],
        **by_size,
        "false": len(outcome.false),
        "false_per_week": round(len(outcome.false) / max(outcome.weeks, 1e-9), 2),
        "false_95": [round(x / outcome.weeks, 2) for x in of_count(len(outcome.false))],
        "delay_p50_s": round(float(np.quantile(delays, 0.5)), 1) if delays else None,
        "delay_p90_s": round(float(np.quantile(delays, 0.9)), 1) if delays else None,
        "incidents_per_hit": share([len(about) for _, about in hits]),
        **causes(hits),
        "by_kind": {
            kind: f"{sum(kept)}/{len(kept)}"
            for kind in kinds
            for kept in [[bool(a) for b, a in outcome.found if b["kind"] == kind]]
        },
    }


def causes(hits: Sequence[tuple[Label, list[Incident]]]) -> dict[str, object]:
    """How often the cause is right, among faults found; of several incidents the largest counts."""
    told = [(label, max(about, key=lambda one: one.excess)) for label, about in hits]
    right = [_cause(one) == label["cause"] for label, one in told]
    blamed = [_cause(one) == "control-plane" for _, one in told]
    guilty = [label["cause"] == "control-plane" for label, _ in told]
    both = sum(b and g for b, g in zip(blamed, guilty, strict=True))
    traps = [ok for ok, (label, _) in zip(right, told, strict=True) if label["kind"] == "trap"]
    return {
        "cause_right": share(right),
        "cause_precision": round(both / sum(blamed), 3) if any(blamed) else None,
        "cause_recall": round(both / sum(guilty), 3) if any(guilty) else None,
        "cause_f1": round(2 * both / (sum(blamed) + sum(guilty)), 3) if both else None,
        "traps_right": share(traps),
        "traps": len(traps),
        "calibration_error": calibration_error(
            [one.attribution.confidence for _, one in told], right
        ),
    }


def _cause(incident: Incident) -> str:
    return incident.attribution.cause


def calibration_error(confidence: Sequence[float], right: Sequence[bool]) -> float | None:
    """Expected calibration error (Naeini et al., AAAI 2015) over `BINS` bins of 0.5 to 1."""
    if not confidence:
        return None
    sure, hit = np.array(confidence), np.array(right, dtype=np.float64)
    at = np.clip(((sure - 0.5) * 2 * BINS).astype(int), 0, BINS - 1)
    gaps = [abs(float((sure - hit)[at == one].sum())) for one in range(BINS)]
    return round(sum(gaps) / len(sure), 3)


def share(values: Sequence[bool] | Sequence[int]) -> float | None:
    """Their mean."""
    return round(sum(values) / len(values), 3) if values else None


def of_share(hits: int, of: int) -> tuple[float, float]:
    """The 95 % interval of a share (Clopper and Pearson, Biometrika 1934)."""
    low = float(beta.ppf(0.025, hits, of - hits + 1)) if hits else 0.0
    return low, float(beta.ppf(0.975, hits + 1, of - hits)) if hits < of else 1.0


def of_count(events: int) -> tuple[float, float]:
    """The 95 % interval of the mean behind a Poisson count (Garwood, Biometrika 1936)."""
    low = float(chi2.ppf(0.025, 2 * events)) / 2 if events else 0.0
    return low, float(chi2.ppf(0.975, 2 * events + 2)) / 2
