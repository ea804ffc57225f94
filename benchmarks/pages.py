"""Server time of every page on a store of 10,000 incidents and 5,000 proxies.

    python -m benchmarks.pages [--incidents N] [--proxies N] [--keep URL]

A page is to be there within 200 ms of the server's time. Measured over HTTP on loopback, one
request at a time, beside nothing else; the first request of each page, which draws its charts, is
told apart. So are pages of incidents that nobody has looked at, which draw theirs each.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from statistics import median

import httpx

from detector import clock
from detector.details import DetailLog
from detector.engine.baselines import Baseline, BaselineRows
from detector.reconciliation import IstiodRow, LedgerRows, ProxyRow
from detector.store import Step, Store
from detector.types import Attribution, Incident, Series, Share, Signature, Window
from tests.detector import report_samples as samples

LIMIT_MS = 200
ROUNDS = 20
EVERY = timedelta(minutes=40)  # between two incidents
SERVICES = 120
CALLERS = 40  # of every service
CHARTED = 12  # incidents with the counts behind their charts
CHUNK = 1_000


def service(n: int) -> str:
    """The host of a service."""
    return f"service-{n:03}.shop-{n % 7}.svc.cluster.local"


def windows(count: int, proxies: int) -> list[Window]:
    """Pushes, and an upgrade of the whole fleet now and then; the last goes on."""
    drawn, now = random.Random(3), clock.now()
    made = []
    for n in range(count):
        upgrade = n % 20 == 0
        start = now - n * EVERY * 2 - timedelta(minutes=3)
        size = proxies if upgrade else drawn.randrange(5, 40)
        done = size * 7 // 10 if n == 0 else size
        made.append(
            Window(
                id=f"w{n:06}",
                kind="upgrade" if upgrade else "push",
                started_at=start,
                ended_at=None if n == 0 else start + timedelta(minutes=4),
                from_version=f"1.{26 - n // 40}.{n % 4}" if upgrade else None,
                to_version=f"1.{27 - n // 40}.0" if upgrade else None,
                revision="default",
                expected=size,
                reconciled={
                    f"service-{i % SERVICES:03}-7d9f8c6b5-{i:05}.shop-{i % 7}": start
                    + timedelta(milliseconds=30 * i)
                    for i in range(done)
                },
                failed=n % 3,
                reason="istiod of another version takes over" if upgrade else "VirtualService cart",
                affects_until=None if n == 0 else start + timedelta(minutes=5),
            )
        )
    return made


def incident(n: int, window: Window) -> Incident:
    """The n-th incident back from now."""
    drawn = random.Random(n)
    start = window.started_at + timedelta(seconds=20)
    hosts = [service(drawn.randrange(SERVICES)) for _ in range(drawn.randrange(1, 5))]
    shares = {host: Share(drawn.randrange(10, 400), 9_000.0, 0.4) for host in hosts}
    caused = n % 3 < 2
    errors = sum(share.errors for share in shares.values())
    return Incident(
        id=f"{n:012x}",
        status="open" if n < 12 else "resolved",
        detected_at=start + timedelta(seconds=20),
        started_at=start,
        ended_at=None if n < 12 else start + timedelta(minutes=2),
        series=[Series("source", f"web-{i}.shop-1", host, "NR") for i, host in enumerate(shares)],
        errors=errors,
        requests=9_000.0 * len(shares),
        expected=0.4 * len(shares),
        upper=3.0,
        attribution=Attribution(
            "control-plane" if caused else "workload",
            window if caused else None,
            0.97,
            ["97 % of the errors came within 3 s of their own proxy's reconnect"] * 4,
            ["windows of this kind cover 4 % of the time"],
        ),
        signature=Signature("routes", "The first routes were incomplete", "Wait for caches."),
        exemplars=['[2026-03-01T12:00:00.000Z] "GET /cart/… HTTP/1.1" 503 NR route_not_found'] * 3,
        severity="critical" if n % 5 == 0 else "warning",
        shares=shares,
    )


def ledger(proxies: int) -> LedgerRows:
    """A fleet of which some are stale and some on an old version."""
    now = clock.now()
    rows = [
        ProxyRow(
            name=f"service-{i % SERVICES:03}-7d9f8c6b5-{i:05}.shop-{i % 7}",
            pod=f"service-{i % SERVICES:03}-7d9f8c6b5-{i:05}",
            namespace=f"shop-{i % 7}",
            workload=f"service-{i % SERVICES:03}",
            proxy_version="1.27.0",
            istiod=f"istiod-{i % 3}",
            version="1.27.0" if i % 10 else "1.26.0",
            connected=True,
            seen_at=now,
            connected_at=now - timedelta(seconds=i),
            nacked_at=now if i % 500 == 7 else None,
            error="route cart: unknown cluster" if i % 500 == 7 else None,
            pushed={kind: now - timedelta(seconds=9) for kind in ("CDS", "EDS", "LDS", "RDS")},
            acked={kind: now - timedelta(seconds=8) for kind in ("CDS", "EDS", "LDS", "RDS")},
        )
        for i in range(proxies)
    ]
    planes = [
        IstiodRow(
            name=f"istiod-{i}",
            version="1.27.0",
            started_at=now - timedelta(hours=5),
            pushes=812,
            connected=proxies // 3,
            seen_at=now,
        )
        for i in range(3)
    ]
    return LedgerRows(rows, [], planes, [])


def baselines() -> BaselineRows:
    """What is normal for every service, caller by caller; some of it is still being learnt."""
    now = clock.now()
    return BaselineRows(
        [
            Baseline(
                series=Series("source", f"web-{caller}.shop-1", service(n), signal),
                since=now - timedelta(days=9),
                settles_at=now + timedelta(hours=caller - CALLERS + 2),
                judged=caller % 10 != 7,
                counted=False,
                rate=0.001 / (1 + caller),
            )
            for n in range(SERVICES)
            for caller in range(CALLERS)
            for signal in ("500", "503", "NR", "UF")
        ],
        whole=True,
    )


def fill(url: str, incidents: int, proxies: int) -> None:
    """A store of so many incidents and proxies, written as a worker writes it."""
    told = windows(max(2, incidents // 2), proxies)
    log = DetailLog(timedelta(hours=1))
    with Store.open(url) as store:
        for first in range(0, len(told), CHUNK):
            store.commit(Step(windows=told[first : first + CHUNK]))
        for first in range(0, incidents, CHUNK):
            some = [incident(n, told[n // 2]) for n in range(first, min(first + CHUNK, incidents))]
            for one in some[: max(0, CHARTED - first)]:
                shift = one.started_at - samples.START
                history, moments = samples.history(), samples.moments()
                log.note(
                    one,
                    history.with_columns(history["time"] + shift),
                    moments.with_columns(moments["time"] + shift),
                )
            store.commit(Step(incidents=some, details=log.take()))
        store.commit(Step(baselines=baselines()))
        end = clock.now()
        store.commit(Step(ledger=ledger(proxies), time=end, first=end - timedelta(days=9)))


def measure(base: str) -> bool:
    """Print what every page takes; whether all are within the limit."""
    host = service(5)
    paths = [
        "/",
        "/incidents",
        "/incidents?q=service-005",
        "/incidents?status=resolved&cause=workload&severity=critical",
        f"/incidents/{0:012x}",
        "/windows",
        "/windows/w000000",
        "/services",
        f"/services/{host}",
        "/proxies",
        "/proxies?q=service-005",
        "/proxies?stale=true",
    ]
    well = True
    print(f"{'page':60} {'first':>9} {'middle':>9} {'slowest':>9}")
    with httpx.Client(base_url=base, timeout=60) as client:
        for path in paths:
            taken = [_taken_ms(client, path) for _ in range(ROUNDS + 1)]
            rest = taken[1:]
            well = well and median(rest) <= LIMIT_MS
            print(f"{path:60} {taken[0]:6.0f} ms {median(rest):6.0f} ms {max(rest):6.0f} ms")
        fresh = [_taken_ms(client, f"/incidents/{n:012x}") for n in range(1, CHARTED)]
        well = well and median(fresh) <= LIMIT_MS
        told = "incidents that nobody has looked at"
        print(f"{told:60} {fresh[0]:6.0f} ms {median(fresh):6.0f} ms {max(fresh):6.0f} ms")
    return well


def _taken_ms(client: httpx.Client, path: str) -> float:
    start = time.perf_counter()
    answer = client.get(path)
    taken = (time.perf_counter() - start) * 1e3
    answer.raise_for_status()
    return taken


def main() -> int:
    """Fill, serve, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=10_000)
    parser.add_argument("--proxies", type=int, default=5_000)
    parser.add_argument("--keep", metavar="URL", help="fill this store, and stop there")
    options = parser.parse_args()
    if options.keep:
        fill(options.keep, options.incidents, options.proxies)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'store.db'}"
        fill(url, options.incidents, options.proxies)
        serve = [str(Path(sys.executable).parent / "pushwake"), "serve", "--port", "0"]
        process = subprocess.Popen([*serve, "--store", url], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            base = process.stdout.readline().split()[-1]
            well = measure(base.rstrip("/"))
        finally:
            process.terminate()
            process.wait()
    print(f"{'All' if well else 'NOT all'} pages within {LIMIT_MS} ms.")
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
