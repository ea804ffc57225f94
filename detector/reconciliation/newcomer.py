"""A control plane that has just started, and the evidence of who comes over to it."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import sqrt

import msgspec

from detector.reconciliation.events import Event
from detector.reconciliation.proxies import CONNECTION_AGE

ONE_BY_ONE = timedelta(seconds=15)
"""After this, a proxy that has only just left the old control plane was moved, not orphaned."""

SETTLED = timedelta(seconds=5)
LATE_GAPS = 4
"""A complete window ends ``SETTLED`` after its last sign. One that lacks the few proxies it may
lack waits for them longer where proxies come slowly: a gap of four times the mean has a chance
of exp(-4) = 2 %."""


class Newcomer(msgspec.Struct):
    """One rollout's started istiods and the proxies that may follow them."""

    started_at: datetime
    newest_start: datetime
    latest: datetime  # the newest evidence that the takeover goes on
    version: str | None
    from_version: str | None
    revision: str | None
    waiting: set[str]  # then-known proxies that have not come yet
    expected: int
    plausible: bool  # there was something to take over
    told: bool  # a line said that it started; otherwise that was inferred
    istiods: set[str] = set()
    anonymous: bool = False  # some start named no istiod: any connection may be to it
    moved: dict[str, datetime] = {}  # until the window opens; then the window has them
    apart: int = 0  # proxies that left the old control plane on their own
    window: str | None = None
    pruned_at: datetime | None = None
    from_revision: str | None = None

    def answers(self, event: Event) -> bool:
        """Whether a connection is one to the started control plane, as far as anyone tells."""
        if event.time < self.started_at:
            return False
        if event.revision is not None and self.revision not in {None, event.revision}:
            return False
        if event.version is not None and self.version is not None:
            return event.version == self.version
        if event.istiod is not None and not self.anonymous:
            return event.istiod in self.istiods
        return True

    def was_moved(self, time: datetime, left_at: datetime | None) -> bool:
        """Whether a proxy that connects at ``time`` was moved by itself.

        In a restart all proxies lose their control plane at once and come back as fast as they
        can. One that comes late, and was still served until then, was moved on its own.
        """
        return time - self.newest_start > ONE_BY_ONE and (
            left_at is None or left_at - self.newest_start > ONE_BY_ONE
        )

    def patience(self) -> timedelta:
        """How long to wait for the last few proxies: ``LATE_GAPS`` times the usual gap."""
        came = max(1, self.expected - len(self.waiting))
        return max(SETTLED, LATE_GAPS * (self.latest - self.newest_start) / came)

    def changes_version(self) -> bool:
        """Whether the versions before and after are known and differ."""
        versions = {self.version, self.from_version}
        return None not in versions and len(versions) == 2

    def changes_revision(self) -> bool:
        """Whether the revisions before and after are known and differ."""
        revisions = {self.revision, self.from_revision}
        return None not in revisions and len(revisions) == 2

    def knows_versions(self) -> bool:
        """Whether both versions are known."""
        return self.version is not None and self.from_version is not None

    def beyond_ageing(self, now: datetime) -> bool:
        """More proxies came than ageing connections bring: Poisson, mean N t / 30 min, 4 sigma.

        To another version a single proxy is enough.
        """
        if self.changes_version() or self.changes_revision():
            return True
        usual = self.expected * max(0.0, (now - self.newest_start) / CONNECTION_AGE)
        return len(self.moved) > usual + 4 * sqrt(usual)

    def reason(self) -> str:
        """Why a window is opened, in words."""
        if self.changes_revision():
            return f"proxies move from revision {self.from_revision} to {self.revision}"
        if self.changes_version():
            return f"istiod {self.version} started and takes over proxies from {self.from_version}"
        if self.version:
            return f"istiod {self.version} started and proxies reconnect to it"
        return "an istiod started and proxies reconnect to it"
