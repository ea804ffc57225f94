"""Known faults: which of the catalogue's entries an incident shows, and the advice it carries.

The catalogue is data, in TOML files beside this module. An entry names a fault by what access
logs say of it, and its cause as a hypothesis. It never overrules attribution: faults of the
control plane match only where the control plane is not ruled out, and confounders (faults that
look like its doing and are not) only where it is not blamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources

import polars as pl

from detector.attribution.evidence import HISTORY, gather
from detector.signatures.faults import Fault, Versions, check_unique, load
from detector.types import Cause, Incident, Signature, Window

_SHARE = 0.5  # an entry must fit at least half of the incident's root errors
_NEAR = timedelta(seconds=60)  # a window's faults may outlast it by so much
_OPEN_END = datetime.max.replace(tzinfo=UTC)


@cache
def catalogue() -> tuple[Fault, ...]:
    """All entries that come with Pushwake, by file and place in it.

    Raises:
        CatalogueError: a file is damaged; its name and the entry's are told.
    """
    folder = resources.files("detector").joinpath("signatures")
    files = sorted(one.name for one in folder.iterdir() if one.name.endswith(".toml"))
    faults: list[Fault] = []
    for name in files:
        faults += load(folder.joinpath(name).read_text(encoding="utf-8"), name)
    check_unique(faults, "signatures")
    return tuple(faults)


def match(
    incident: Incident,
    moments: pl.DataFrame,
    windows: Sequence[Window],
    faults: Sequence[Fault] | None = None,
) -> Signature | None:
    """The known fault that fits an incident best, given its attribution.

    Best is what asks for most, times the share of the errors that it explains.

    Args:
        incident: with its attribution filled in.
        moments: schema.MOMENTS; those of the incident's series are picked. Without any, entries
            that ask for no details can still fit by the signals of the series.
        windows: when none is blamed, those open near the onset may still give an entry its
            kind and versions.
        faults: what to compare with; by default all that come with Pushwake.
    """
    frame = _kinds(_root_errors(incident, moments))
    total = float(frame["weight"].sum())
    if total == 0.0:
        return None
    blamed = incident.attribution.window
    near = [window for window in windows if _is_near(window, incident)]
    candidates = [blamed] if blamed is not None else near
    best = 0.0
    found: Fault | None = None
    for fault in catalogue() if faults is None else faults:
        if not _allowed(fault, incident.attribution.cause, candidates):
            continue
        rows = frame.filter(_criteria(fault))
        share = float(rows["weight"].sum()) / total
        if share < _SHARE or rows["destination"].n_unique() < fault.destinations:
            continue
        if fault.specificity * share > best:
            best, found = fault.specificity * share, fault
    return found.signature if found else None


def _is_near(window: Window, incident: Incident) -> bool:
    ended = window.ended_at or incident.detected_at
    return window.started_at <= incident.detected_at and ended + _NEAR >= incident.started_at


def _kinds(errors: pl.DataFrame) -> pl.DataFrame:
    """Errors that no entry can tell apart, summed."""
    told = ("signal", "response_code", "details", "reporter", "source", "destination")
    return errors.group_by(told, maintain_order=True).agg(pl.col("weight").sum())


def _root_errors(incident: Incident, moments: pl.DataFrame) -> pl.DataFrame:
    """The incident's root errors, or one row for each of its series when there are no moments."""
    onset = [
        {**one._asdict(), "time": incident.started_at, "errors": 1.0, "expected": 0.0}
        for one in incident.series
    ]
    return gather(
        incident.series,
        pl.DataFrame(onset, schema=HISTORY),
        moments,
        since=incident.started_at,
        until=incident.ended_at or _OPEN_END,
        resolution_s=0.001,
        bucket_s=10.0,
    ).frame


def _allowed(fault: Fault, cause: Cause, windows: Sequence[Window]) -> bool:
    if fault.cause == "control-plane":
        if cause not in ("control-plane", "unknown"):
            return False
    elif cause == "control-plane":
        return False
    if fault.alignment == "none" and not fault.windows and fault.versions == Versions():
        return True
    return any(
        (not fault.windows or window.kind in fault.windows)
        and fault.versions.admit(window.from_version, window.to_version)
        and (fault.alignment != "proxy" or bool(window.reconciled))
        for window in windows
    )


def _criteria(fault: Fault) -> pl.Expr:
    fits = pl.lit(value=True)
    if fault.signals:
        fits = fits & pl.col("signal").is_in(list(fault.signals))
    if fault.codes:
        fits = fits & pl.col("response_code").is_in(list(fault.codes))
    if fault.details:
        plain = pl.col("details").str.to_lowercase().str.replace_all("_", " ", literal=True)
        fits = fits & plain.str.contains(fault.details)
    if fault.reporter:
        fits = fits & (pl.col("reporter") == fault.reporter)
    if fault.gateway is not None:
        fits = fits & (pl.col("source").str.contains("gateway") == fault.gateway)
    return fits.fill_null(value=False)
