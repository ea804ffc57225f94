"""Answers over HTTP from endpoints that may be slow, endless, wrong or hostile."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx

from detector import clock
from detector.settings import IstiodSettings

MAX_REPLICAS = 64


class FetchError(Exception):
    """An endpoint did not answer; the text says how, in words."""


@dataclass(frozen=True, slots=True)
class Replica:
    """One address behind a name."""

    url: str  # with the address in place of the name
    host: str  # the name, for the Host header and for TLS
    name: str  # for people: the address with its port


def replicas(url: str) -> list[Replica]:
    """Every address that the URL's name resolves to.

    Raises:
        FetchError: it is no address, or the name cannot be resolved.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise FetchError(f"is no address ({error})") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise FetchError("is no address: write http://HOST:PORT")
    try:
        found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise FetchError(f"cannot be resolved ({error})") from error
    addresses = sorted({str(one[4][0]) for one in found})[:MAX_REPLICAS]
    hosts = [f"[{one}]" if ":" in one else one for one in addresses]
    return [
        Replica(
            urlunsplit((parts.scheme, f"{host}:{port}", parts.path.rstrip("/"), "", "")),
            parts.hostname,
            f"{host}:{port}",
        )
        for host in hosts
    ]


class Fetcher:
    """Reads bounded answers within a deadline; one connection at a time, nothing kept."""

    def __init__(self, settings: IstiodSettings) -> None:
        self._settings = settings

    def get(self, replica: Replica, path: str, query: dict[str, str] | None = None) -> bytes:
        """The body of an answer with status 200.

        Raises:
            FetchError: no such answer within `timeout_s` seconds and `max_mib` MiB.
        """
        deadline = clock.monotonic_s() + self._settings.timeout_s
        try:
            with (
                httpx.Client(
                    verify=self._trust(replica), timeout=self._settings.timeout_s, trust_env=False
                ) as client,
                client.stream(
                    "GET",
                    f"{replica.url}{path}",
                    params=query,
                    headers=self._headers(replica),
                    extensions={"sni_hostname": replica.host},
                ) as answer,
            ):
                if answer.status_code != httpx.codes.OK:
                    raise FetchError(f"answers {answer.status_code}{_hint(answer.status_code)}")
                return b"".join(self._bounded(answer, deadline))
        except httpx.TimeoutException as error:
            raise FetchError(f"gives no answer within {self._settings.timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise FetchError(f"cannot be asked ({error})") from error

    def _bounded(self, answer: httpx.Response, deadline: float) -> Iterator[bytes]:
        """A slow trickle passes every timeout of a single read, so the whole has one, too."""
        size, limit = 0, self._settings.max_mib * 1024 * 1024
        for chunk in answer.iter_raw():
            size += len(chunk)
            if size > limit:
                raise FetchError(f"answers with more than {self._settings.max_mib} MiB")
            if clock.monotonic_s() > deadline:
                raise FetchError(f"is not done within {self._settings.timeout_s:g} s")
            yield chunk

    def _headers(self, replica: Replica) -> dict[str, str]:
        headers = {"Host": replica.host, "Accept-Encoding": "identity", "User-Agent": "pushwake"}
        path = self._settings.token_file
        if path:
            try:
                token = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise FetchError(f"is not asked: the token cannot be read ({error})") from error
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _trust(self, replica: Replica) -> ssl.SSLContext | bool:
        if not replica.url.startswith("https"):
            return False
        try:
            return ssl.create_default_context(cafile=self._settings.ca_file or None)
        except OSError as error:
            raise FetchError(f"is not asked: istiod.ca_file cannot be read ({error})") from error


def _hint(status: int) -> str:
    if status in {401, 403}:
        return ": it wants to know who asks (istiod.token_file; ENABLE_DEBUG_ENDPOINT_AUTH)"
    return ": that is not istiod's monitoring port" if status == httpx.codes.NOT_FOUND else ""
