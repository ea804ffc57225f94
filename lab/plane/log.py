"""istiod's log, in the words of any version from 1.6 on.

Source: pilot/pkg/proxy/envoy/v2 (to 1.6) and pilot/pkg/xds (from 1.7) in istio/istio.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from detector.clock import now

_HEX = "3c9f8e1d5b7a"


class IstiodLog:
    """Writes what happens as an istiod of this version would.

    Args:
        version: such as 1.28.2.
        as_json: with ``--log_as_json``.
        write: takes one record with its line end.
    """

    def __init__(self, version: str, *, as_json: bool, write: Callable[[str], None]) -> None:
        self.version = version
        self.minor = int(version.split(".")[1])
        self._json = as_json
        self._write = write

    def line(self, message: str, *, scope: str = "ads", level: str = "info") -> None:
        """One record; the default scope has no name."""
        time = now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        if self._json:
            parts = {"level": level, "time": time, "scope": scope, "msg": message}
            self._write(json.dumps({k: v for k, v in parts.items() if v}) + "\n")
        else:
            words = [time, level, scope, message] if scope else [time, level, message]
            self._write("\t".join(words) + "\n")

    def started(self) -> None:
        """The process begins, and is ready."""
        typo = "Staring" if self.minor <= 7 else "Starting"
        self.line('FLAG: --keepaliveMaxServerConnectionAge="30m0s"', scope="")
        self.line(f"version: {self.version}-{_HEX}-Clean", scope="")
        self.line(f"{typo} Istiod Server with primary cluster Kubernetes", scope="")
        self.line("Starting ADS server", scope="ads")
        ready = {6: "All caches have been synced up, triggering a push"}.get(
            self.minor, "All caches have been synced up in 2.1ms, marking server ready"
        )
        if self.minor == 7:
            ready = "All caches have been synced up, marking server ready"
        self.line(ready)

    def connection(self, node: str, proxy: str, number: int) -> str:
        """The name of a connection."""
        return f"{node if self.minor <= 10 else proxy}-{number}"

    def connected(self, connection: str, version_info: str) -> None:
        """A proxy has connected."""
        if self.minor <= 7:
            self.line(f"ADS:CDS: REQ {connection} version:{version_info}")
        else:
            self.line(f"ADS: new connection for node:{connection}")

    def terminated(self, connection: str, peer: str) -> None:
        """Its connection is gone."""
        why = " rpc error: code = Canceled desc = context canceled" if self.minor <= 13 else ""
        self.line(f'ADS: "{peer}" {connection} terminated{why}')

    def answered(self, kind: str, proxy: str, count: int, size: int, *, asked: bool) -> None:
        """A proxy was sent resources, because it asked or of our own accord."""
        if self.minor <= 7:
            noun = {"CDS": "clusters", "EDS": "clusters", "LDS": "listeners", "RDS": "routes"}
            version = f" version:{self._push_version(0)}" if kind == "CDS" else ""
            self.line(f"{kind}: PUSH for node:{proxy} {noun[kind]}:{count}{version}")
            return
        request = " request" if asked and self.minor >= 10 else ""
        amount = f" size:{_human(size)}" if self.minor >= 9 else ""
        more = " empty:0 cached:0/0" if kind == "EDS" else ""
        self.line(f"{kind}: PUSH{request} for node:{proxy} resources:{count}{amount}{more}")

    def pushing(self, number: int, reason: str, since_s: float, proxies: int) -> None:
        """A full push begins, after its debounce."""
        full = "forced=true" if self.minor >= 31 else "full=true"
        about = f" for config {reason}" if self.minor >= 12 else ""
        times = f"100.21ms since last change, {since_s:.6f}s since last push, {full}"
        self.line(f"Push debounce stable[{number}] 1{about}: {times}")
        version = self._push_version(number)
        if self.minor <= 8:
            self.line(f"XDS: Pushing:{version} Services:5 ConnectedEndpoints:{proxies}")
        elif self.minor <= 18:
            gap = "  " if self.minor <= 12 else " "
            head = f"XDS: Pushing:{version} Services:5 ConnectedEndpoints:{proxies}"
            self.line(f"{head}{gap}Version:{version}")
        else:
            self.line(f"XDS: Pushing Services:5 ConnectedEndpoints:{proxies} Version:{version}")

    def refused(self, kind: str, connection: str, message: str) -> None:
        """A proxy does not accept what it was sent."""
        self.line(f"ADS:{kind}: ACK ERROR {connection} Internal:{message}", level="warn")

    def _push_version(self, number: int) -> str:
        return f"{now():%Y-%m-%dT%H:%M:%SZ}/{number}"


def _human(size: int) -> str:
    return f"{size}B" if size < 1000 else f"{size / 1000:.1f}kB"
