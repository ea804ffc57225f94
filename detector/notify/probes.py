"""``/livez``, ``/readyz`` and ``/metrics`` of the notifier.

``/livez`` asks only whether the process answers: neither store nor Slack is asked, since a
restart would heal neither. ``/readyz?verbose`` tells every channel.
"""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from detector.errors import InputError
from detector.notify.health import Health
from detector.notify.meter import Meter

_TEXT = "text/plain; charset=utf-8"


class Probes:
    """Serves them on a thread of its own.

    Args:
        host: where to listen.
        port: where to listen; 0 picks one.
        health: what is told.
        meter: what is counted.

    Raises:
        InputError: the address cannot be listened on.
    """

    def __init__(self, host: str, port: int, health: Health, meter: Meter) -> None:
        class Handler(BaseHTTPRequestHandler):
            server_version, sys_version, timeout = "pushwake", "", 5

            def do_GET(self) -> None:
                status, kind, body = answer(self.path, health, meter)
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """Probes are no news."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise InputError(
                f"cannot listen ({error.strerror})",
                where=f"{host}:{port}",
                advice="Free the port, or set notify.port to another",
            ) from error
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def answer(path: str, health: Health, meter: Meter) -> tuple[int, str, bytes]:
    """Status, type and body for a path."""
    address = urlsplit(path)
    if address.path == "/livez":
        return 200, _TEXT, b"ok\n"
    if address.path == "/metrics":
        return 200, CONTENT_TYPE_LATEST, generate_latest(meter.registry)
    if address.path == "/readyz":
        lines = list(health.lines()) if "verbose" in address.query or not health.ready else []
        body = "\n".join([*lines, "ready" if health.ready else "not ready", ""])
        return 200 if health.ready else 503, _TEXT, body.encode()
    return 404, _TEXT, b"try /livez, /readyz?verbose or /metrics\n"
