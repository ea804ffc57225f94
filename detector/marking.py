"""Where a mark goes: to a running Pushwake over HTTP, or straight into its store."""

from __future__ import annotations

from typing import Protocol

import httpx
import msgspec

from detector import clock
from detector.errors import PushwakeError
from detector.reconciliation import Mark
from detector.settings import StoreSettings
from detector.store.marks import close_mark, marking, open_mark

TIMEOUT_S = 10.0
"""A change must not wait longer than this for its mark."""

_BODY = 300  # characters of an answer that are shown


class MarkError(PushwakeError):
    """A mark could not be written."""

    exit_code = 3


class Marker(Protocol):
    """Writes the beginning and the end of a change."""

    def open(self, mark: Mark) -> str:
        """Announce a change; its id."""
        ...

    def close(self, mark_id: str, note: str | None) -> None:
        """Say that it is over."""
        ...


class StoreMarker:
    """Writes into the store itself."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings

    def open(self, mark: Mark) -> str:
        """Announce a change; its id.

        Raises:
            StoreError: there is no such store, or it cannot be written.
        """
        with marking(self._settings) as connection:
            open_mark(connection, mark)
        return mark.id

    def close(self, mark_id: str, note: str | None) -> None:
        """Say that it is over.

        Raises:
            MarkError: no such mark is open.
            StoreError: the store cannot be written.
        """
        with marking(self._settings) as connection:
            if not close_mark(connection, mark_id, clock.now(), note):
                raise MarkError("no open mark has this id", where=mark_id, advice="Check the id")


class ServerMarker:
    """Writes through the REST interface: ``POST /v1/windows`` and ``/v1/windows/ID/close``.

    Args:
        url: of the server, with or without a path before ``/v1``.
        token: sent as a bearer token, if there is one.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def open(self, mark: Mark) -> str:
        """Announce a change; the id that the server gave it.

        Raises:
            MarkError: the server cannot be reached or refuses.
        """
        said = {
            "kind": mark.kind,
            "from_version": mark.from_version,
            "to_version": mark.to_version,
            "revision": mark.revision,
            "note": mark.note,
        }
        answer = self._post("/v1/windows", said, {"Idempotency-Key": mark.id})
        try:
            given = answer.json()["id"]
        except (ValueError, KeyError, TypeError) as error:
            raise self._refused(f"answered without an id: {answer.text[:_BODY]}") from error
        return str(given)

    def close(self, mark_id: str, note: str | None) -> None:
        """Say that it is over.

        Raises:
            MarkError: the server cannot be reached or refuses.
        """
        self._post(f"/v1/windows/{mark_id}/close", {"note": note}, {})

    def _post(
        self, path: str, said: dict[str, str | None], headers: dict[str, str]
    ) -> httpx.Response:
        body = {name: value for name, value in said.items() if value is not None}
        try:
            answer = httpx.post(
                f"{self._url}{path}",
                content=msgspec.json.encode(body),
                headers={"Content-Type": "application/json", **self._headers, **headers},
                timeout=TIMEOUT_S,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._refused(f"cannot be reached ({error})") from error
        if not answer.is_success:
            raise self._refused(f"answered {answer.status_code}: {answer.text[:_BODY]}")
        return answer

    def _refused(self, what: str) -> MarkError:
        return MarkError(what, where=self._url, advice="Check --server and the token")
