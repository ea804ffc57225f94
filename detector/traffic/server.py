"""The Pushwake under test, over REST: what it found, and what it has to hear that it missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import httpx

from detector.errors import InputError
from detector.missed import MISSED
from detector.traffic.faults import SIGNALS, Injected
from detector.truth import Document

PAGE = 200


class Server:
    """A running ``pushwake serve``.

    Every method raises `InputError` when it cannot be reached or refuses.

    Args:
        url: its address.
        token: sent as a bearer token, if there is one.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def judged(self) -> datetime | None:
        """The event time before which all is judged; None when nothing is."""
        told = self._ask("GET", "/v1/health/data")["event_time"]
        return None if told is None else datetime.fromisoformat(told)

    def incidents(self, since: datetime) -> list[Document]:
        """What it found since then, whole; without what it was told that it had missed."""
        found = (self._ask("GET", f"/v1/incidents/{name}") for name in self._ids(since))
        return [one for one in found if (one["signature"] or {}).get("id") != MISSED.id]

    def report(self, fault: Injected) -> str:
        """Tell of a fault that it missed; the id of the incident that it makes of it."""
        body = {
            "service": fault.service.rpartition(":")[0],
            "signal": SIGNALS[fault.kind],
            "started_at": fault.start,
            "ended_at": fault.end,
            "failed": fault.requests,
            "requests": round(fault.requests / fault.share),
            "note": f"pushwake traffic, fault {fault.id}",
        }
        return str(self._ask("POST", "/v1/misses", json=body)["id"])

    def _ids(self, since: datetime) -> Iterator[str]:
        asked: dict[str, str | int] = {"since": since.isoformat(), "page_size": PAGE}
        while True:
            page = self._ask("GET", "/v1/incidents", params=asked)
            yield from (one["id"] for one in page["items"])
            if not (token := page.get("next_page_token")):
                return
            asked["page_token"] = token

    def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        json: object | None = None,
    ) -> dict[str, Any]:
        try:
            answer = httpx.request(
                method,
                f"{self._url}{path}",
                params=params,
                json=json,
                headers=self._headers,
                timeout=30,
            )
            told: dict[str, Any] = answer.json()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise InputError(
                f"cannot be asked ({error})",
                where=self._url,
                advice="Name a running `pushwake serve`",
            ) from error
        if not answer.is_success:
            raise InputError(
                f"{method} {path} was refused: {told.get('detail', answer.status_code)}",
                where=self._url,
                advice="Check the token and its scope: telling of a miss needs `write`",
            )
        return told
