"""What reconciliations cost, in words: beside each other, and against those before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from detector.report import phrases, wording
from detector.store.impact import Cost, costs_of
from detector.store.shared import Connection
from detector.types import Window, WindowKind

CHANGES: tuple[WindowKind, ...] = ("upgrade", "revision", "sidecar-rollout")
"""Kinds of windows that bring another version: those that people plan, and compare."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """A window with what it has come to."""

    window: Window
    costs: list[Cost] = field(default_factory=list)  # by service, the largest first

    @property
    def excess(self) -> float:
        """Errors beyond expectation in the incidents that followed it."""
        return sum(cost.excess for cost in self.costs)

    @property
    def done(self) -> int:
        """Proxies that took on the new configuration."""
        return len(self.window.reconciled)

    @property
    def expected(self) -> int:
        """Proxies that should, as far as known."""
        return max(self.window.expected, self.done)

    @property
    def hit(self) -> list[str]:
        """Names of the services that it cost something, the worst first."""
        return [wording.service(cost.service) for cost in self.costs if cost.excess >= 1]


def told_of(connection: Connection, windows: Sequence[Window]) -> list[Reconciliation]:
    """Windows with what they cost."""
    costs: dict[str, list[Cost]] = {one.id: [] for one in windows}
    for cost in costs_of(connection, list(costs)):
        costs[cost.window_id].append(cost)
    return [Reconciliation(one, costs[one.id]) for one in windows]


def cost(told: Reconciliation) -> str:
    """What a window cost: ``4,300 requests on cart, pay``."""
    if told.excess < 1:
        return "nothing beyond what is normal"
    requests = "request" if round(told.excess) == 1 else "requests"
    where = f" on {phrases.some(told.hit, 3)}" if told.hit else ""
    return f"{phrases.count(round(told.excess))} {requests}{where}"


def sentence(changes: Sequence[Reconciliation]) -> str:
    """The latest changes beside each other, in one sentence; nothing when there are none."""
    if not changes:
        return ""
    parts = [f"{wording.window(one.window)} cost {_brief(one)}" for one in changes[:3]]
    told = "; ".join(parts)
    return f"{told[:1].upper()}{told[1:]}."


def compared(told: Reconciliation, earlier: Sequence[Reconciliation]) -> str:
    """A window against those of its kind, in one sentence."""
    kind = wording.KINDS[told.window.kind]
    if not earlier:
        return f"No other {kind} was seen to compare with."
    usual = median(one.excess for one in earlier)
    many = phrases.plural(len(earlier), "other one", "others")
    if told.excess < 1 and usual < 1:
        return f"Like half or more of the {many} of this kind, it cost nothing."
    usually = "nothing" if usual < 1 else f"{phrases.count(round(usual))} requests"
    return f"It cost {_brief(told)}; the middle one of the {many} of this kind cost {usually}."


def _brief(told: Reconciliation) -> str:
    return "0" if told.excess < 1 else f"{phrases.count(round(told.excess))} requests"
