"""Which rows of the ledger are to be told: those that changed since they were told last."""

from __future__ import annotations

from datetime import datetime, timedelta

from detector.reconciliation.istiods import Istiods
from detector.reconciliation.proxies import Proxies
from detector.reconciliation.rows import LedgerRows, connected_to, istiod_row, proxy_row
from detector.reconciliation.skew import Skews

STIR = timedelta(minutes=1)
"""How often endpoints and signs of life alone make a proxy's row worth writing again: in a mesh of
thousands they come every few seconds."""


class Teller:
    """Hands out changed rows, each once."""

    def __init__(self, proxies: Proxies, istiods: Istiods, skews: Skews) -> None:
        self._skews = skews
        self._proxies = proxies
        self._istiods = istiods
        self._stirred: datetime | None = None

    def take(self, now: datetime | None) -> LedgerRows:
        """The rows that changed since this was last asked; ``now`` is the ledger's time."""
        proxies, istiods = self._proxies, self._istiods
        if now is not None and (self._stirred is None or now - self._stirred >= STIR):
            proxies.changed |= proxies.stirred & proxies.states.keys()
            proxies.stirred.clear()
            self._stirred = now
        names = sorted(proxies.changed & proxies.states.keys())
        connected = connected_to(proxies.states.values()) if names or istiods.changed else {}
        changed = istiods.changed | (connected.keys() & istiods.states.keys())
        rows = LedgerRows(
            proxies=[proxy_row(name, proxies.states[name]) for name in names],
            gone=sorted(proxies.gone),
            istiods=[
                istiod_row(name, istiods.states[name], connected.get(name, 0), self._skews.of(name))
                for name in sorted(changed)
            ],
            gone_istiods=sorted(istiods.gone),
        )
        proxies.changed, proxies.gone = set(), set()
        istiods.changed, istiods.gone = set(), set()
        return rows
