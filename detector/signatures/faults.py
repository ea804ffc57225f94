"""An entry of the catalogue of known faults, and its file format (TOML, ``[[fault]]`` tables)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
import polars as pl

from detector.errors import PushwakeError
from detector.types import Cause, Signature, WindowKind

_CONSTRAINT = re.compile(r"(<=|>=|<|>|)(\d+(?:\.\d+)*)")

_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+([.-][a-z0-9]+)*$")]


class CatalogueError(PushwakeError):
    """A file of the catalogue is not what it should be."""

    exit_code = 2


class Versions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Control planes that a window leads from and to: "<1.7", ">=1.7.5", "1.8" (any 1.8.x).

    Parts joined by commas must all hold. A version that is unknown satisfies no constraint.
    """

    before: str = ""
    after: str = ""

    def admit(self, before: str | None, after: str | None) -> bool:
        """Whether both versions satisfy their constraints.

        Raises:
            ValueError: a constraint cannot be read.
        """
        return _admits(self.before, before) and _admits(self.after, after)


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An entry of the catalogue. Empty criteria fit anything; those given must all fit.

    Attributes:
        id: stable name, lower case.
        title: what happens, in one line.
        cause: whose doing it is, as a hypothesis.
        advice: the next thing to do.
        references: where it is described, "owner/repository#number" or a document's name.
        signals: any of these (schema.MOMENTS ``signal``).
        codes: any of these response codes.
        details: regular expression over details and transport failure reasons, in lower case
            with underscores as spaces.
        reporter: the side that saw it.
        gateway: whether gateways (True) or sidecars (False) report it.
        destinations: at least so many destinations at once.
        alignment: "proxy" if errors follow each proxy's own reconciliation, "mesh" if a change of
            all at once, "none" if no change at all. Anything but "none" needs a window.
        windows: any of these kinds of window.
        versions: of the window's control planes.
        confounder: looks like the control plane's doing and is not.
    """

    id: _Id
    title: _Text
    cause: Cause
    advice: _Text
    references: Annotated[tuple[_Text, ...], msgspec.Meta(min_length=1)]
    signals: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    details: str = ""
    reporter: Literal["source", "destination", ""] = ""
    gateway: bool | None = None
    destinations: int = 1
    alignment: Literal["proxy", "mesh", "none"] = "none"
    windows: tuple[WindowKind, ...] = ()
    versions: Versions = Versions()
    confounder: bool = False

    @property
    def signature(self) -> Signature:
        """The entry as incidents carry it."""
        return Signature(self.id, self.title, self.advice)

    @property
    def specificity(self) -> int:
        """How much an entry asks for: of two that fit, the one that asks for more is better."""
        return (
            2 * bool(self.details)
            + 2 * (bool(self.versions.before) + bool(self.versions.after))
            + bool(self.windows)
            + bool(self.signals)
            + bool(self.codes)
            + bool(self.reporter)
            + (self.gateway is not None)
            + (self.destinations > 1)
            + (self.alignment != "none")
        )


def load(text: str, name: str) -> tuple[Fault, ...]:
    """The entries (``[[fault]]``) of one TOML file.

    Args:
        text: the file's content.
        name: the file's name, for messages.

    Raises:
        CatalogueError: no TOML, an unknown or missing field, a value out of range, a regular
            expression or version constraint that cannot be read, an id given twice.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(
            f"this is not TOML: {error}", where=name, advice="Correct the syntax."
        ) from error
    entries = document.get("fault")
    if not isinstance(entries, list) or set(document) != {"fault"}:
        raise CatalogueError(
            "a catalogue file holds [[fault]] tables and nothing else",
            where=name,
            advice="Put every entry under its own [[fault]] heading.",
        )
    faults = [_fault(entry, name, number) for number, entry in enumerate(entries, start=1)]
    check_unique(faults, name)
    return tuple(faults)


def _fault(entry: object, name: str, number: int) -> Fault:
    label = entry.get("id") if isinstance(entry, dict) else None
    where = f"{name}: entry {number}" + (f" ({label})" if isinstance(label, str) else "")
    try:
        fault = msgspec.convert(entry, Fault)
        pl.Series([""]).str.contains(fault.details)
        fault.versions.admit("0", "0")
        if not (fault.signals or fault.codes or fault.details):
            raise ValueError("an entry needs signals, codes or details")
        if fault.confounder and fault.cause == "control-plane":
            raise ValueError("a confounder cannot have the cause control-plane")
    except (msgspec.ValidationError, pl.exceptions.ComputeError, ValueError) as error:
        raise CatalogueError(str(error), where=where, advice="Correct this entry.") from error
    return fault


def check_unique(faults: Sequence[Fault], name: str) -> None:
    """Raise CatalogueError if two entries share an id; ``name`` is the file's, for the message."""
    seen: set[str] = set()
    for fault in faults:
        if fault.id in seen:
            raise CatalogueError(
                f"the id {fault.id} is given twice", where=name, advice="Rename one of them."
            )
        seen.add(fault.id)


def _admits(constraint: str, version: str | None) -> bool:
    """Whether a version satisfies every comma-separated part of a constraint."""
    parts = [_limit(part) for part in constraint.replace(" ", "").split(",") if part]
    if not parts:
        return True
    numbers = re.match(r"v?(\d+(?:\.\d+)*)", version or "")
    if numbers is None:
        return False
    have = tuple(map(int, numbers[1].split(".")))
    return all(_compare(have, how, limit) for how, limit in parts)


def _limit(part: str) -> tuple[str, tuple[int, ...]]:
    found = _CONSTRAINT.fullmatch(part)
    if found is None:
        raise ValueError(f"{part!r} is no version constraint, as '<1.7' or '>=1.8.1' are")
    return found[1], tuple(map(int, found[2].split(".")))


def _compare(have: tuple[int, ...], how: str, limit: tuple[int, ...]) -> bool:
    """Equal, at most and more look no further than the limit does: 1.8.6 is 1.8."""
    cut = have[: len(limit)]
    return {
        "": cut == limit,
        "<": have < limit,
        "<=": cut <= limit,
        ">": cut > limit,
        ">=": have >= limit,
    }[how]
