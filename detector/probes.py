"""``/metrics``, ``/livez`` and ``/readyz`` of a long-lived process, on a port of their own.

They are answered from facts that the process keeps in memory, in threads beside it: asking costs
no broker, no store and no judgement, and an answer comes also when the process hangs.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from detector.errors import InputError
from detector.secrecy import veiled


class Answer(NamedTuple):
    """What a probe says."""

    ok: bool
    detail: dict[str, Any]  # JSON


Probe = Callable[[], Answer]


class _Quiet(WSGIRequestHandler):
    """Logs no requests: probes come every few seconds."""

    timeout = 10.0  # of a peer that sends nothing

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class _Server6(ThreadingWSGIServer):
    address_family = socket.AF_INET6


class Probes:
    """Serves until closed.

    Args:
        host: address to listen on; empty for all.
        port: 0 picks one.
        registry: the metrics.
        alive: whether the process still turns; a supervisor kills it when it does not.
        ready: whether it does its work.

    Raises:
        InputError: the address is not ours, or taken.
    """

    def __init__(
        self, host: str, port: int, registry: CollectorRegistry, alive: Probe, ready: Probe
    ) -> None:
        self._metrics = make_wsgi_app(registry)
        self._probes = {"/livez": alive, "/readyz": ready}
        try:
            kind = _Server6 if ":" in host else ThreadingWSGIServer
            self._server: WSGIServer = make_server(
                host, port, self._answer, kind, handler_class=_Quiet
            )
        except OSError as error:
            raise InputError(
                f"cannot listen for metrics and probes ({error.strerror or error})",
                where=f"{host or '*'}:{port}",
                advice="Free the port, or set another one in the settings",
            ) from error
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="probes", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Probes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answer(self, environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environment.get("PATH_INFO", "")
        if path == "/metrics":
            page: Iterable[bytes] = self._metrics(environment, start)
            return page
        if path in self._probes:
            ok, detail = self._probes[path]()
            status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
            document = {"status": "ok" if ok else "failing", **detail}
        else:
            status, document = HTTPStatus.NOT_FOUND, {"status": "no such path"}
            document["paths"] = "/metrics, /livez, /readyz"
        body = veiled(msgspec.json.encode(document).decode()).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start(f"{status.value} {status.phrase}", headers)
        return [body]
