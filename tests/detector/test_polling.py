"""Asking istiod itself, over real HTTP, the hostile kinds of endpoint among them."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from detector import clock
from detector.cli import main
from detector.polling import Health, Poller, scrape, syncz
from detector.polling.view import View
from detector.reconciliation import Ledger
from detector.settings import IstiodSettings, Settings
from pipelines.events import read_events
from tests.detector.test_ledger import at, connects, frame, row

Answer = Callable[[BaseHTTPRequestHandler], None]


def metrics(version: str = "1.23.0", uptime: float = 5000, pushes: int = 40) -> bytes:
    return f"""\
# HELP pilot_info Pilot version and build information.
# TYPE pilot_info gauge
pilot_info{{version="{version}-abc-Clean"}} 1
# TYPE istiod_uptime_seconds gauge
istiod_uptime_seconds {uptime}
# TYPE pilot_xds gauge
pilot_xds{{version="1.22.3"}} 2
# TYPE pilot_xds_pushes counter
pilot_xds_pushes{{type="cds"}} {pushes}
pilot_xds_pushes{{type="cds_senderr"}} 9
# TYPE pilot_total_xds_rejects counter
pilot_total_xds_rejects 3
# TYPE go_threads gauge
go_threads 7
""".encode()


def proxies(*names: str, sent: str = "n1", acked: str = "n1") -> bytes:
    entries = [
        {
            "proxy": f"{name}.shop",
            "istio_version": "1.22.3",
            "cluster_sent": sent,
            "cluster_acked": acked,
            "endpoint_sent": "e7",
        }
        for name in names
    ]
    return json.dumps(entries).encode()


def say(body: bytes, status: int = 200) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    return answer


@contextmanager
def istiod(pages: dict[str, Answer], context: ssl.SSLContext | None = None) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = pages.get(self.path.partition("?")[0], say(b"not found", 404))
            try:
                answer(self)
            except OSError:  # the other side has given up
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        http.block_on_close = False
        if context is not None:
            http.socket = context.wrap_socket(http.socket, server_side=True)
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http{'s' if context else ''}://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


GOOD = {"/metrics": say(metrics()), "/debug/syncz": say(proxies("web-1", "web-2"))}


def asked(url: str, **more: object) -> tuple[Poller, Health]:
    """A poller after one round, and how it went with its only replica."""
    settings = {"urls": (url,), "timeout_s": 5, **more}
    poller = Poller(msgspec.convert(settings, IstiodSettings))
    poller.round()
    (health,) = [one for one in poller.health() if one.endpoint != url]
    return poller, health


def test_a_round_finds_version_and_proxies() -> None:
    with istiod(GOOD) as url:
        poller, health = asked(url)

    found = poller.take()
    assert health.problem is None
    assert health.answered_at is not None
    assert found["kind"].to_list() == ["notice", "sync", "sync"]
    assert set(found["version"]) == {"1.23.0"}
    assert found["proxy"].to_list() == [None, "web-1.shop", "web-2.shop"]
    assert found["proxy_version"].to_list()[1:] == ["1.22.3", "1.22.3"]
    assert poller.take().is_empty()


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b"pilot_xds 1\n" * 1000)


def trickle(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    while True:
        request.wfile.write(b"p")
        time.sleep(0.05)


def silent(_: BaseHTTPRequestHandler) -> None:
    time.sleep(2)


def head_without_end(request: BaseHTTPRequestHandler) -> None:
    while True:
        request.wfile.write(b"H")
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (silent, "gives no answer within 0.3 s"),
        (trickle, "is not done within 0.3 s"),
        (head_without_end, "keeps us waiting"),
        (endless, "answers with more than 1 MiB"),
        (say(b"<html>login</html>"), "answers, but not with istiod's metrics"),
        (say(b"\xff\xfe\x00" * 100), "answers, but not with istiod's metrics"),
        (say(b"pilot_info{version= 1\n"), "answers with damaged metrics"),
        (say(b"no", 403), "it wants to know who asks"),
        (say(b"no", 404), "that is not istiod's monitoring port"),
        (say(b"no", 500), "answers 500"),
        (lambda request: request.wfile.write(b"garbage\r\n\r\n"), "cannot be asked"),
    ],
)  # fmt: skip
def test_a_hostile_or_broken_endpoint_costs_nothing_but_a_clear_message(
    answer: Answer, told: str
) -> None:
    with istiod(GOOD | {"/metrics": answer}) as url:
        slow = "0.3 s" in told or "keeps" in told
        poller, health = asked(url, max_mib=1, timeout_s=0.3 if slow else 5)

    assert health.problem is not None
    assert told in health.problem
    assert health.since is not None
    assert poller.take().is_empty()


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{}", "not with a list of proxies"),
        (b"nope", "not with JSON"),
        (b"[" * 100_000, "not with JSON"),
        (b'[1, {"proxy": 7}, {"proxy": "nobody"}]', "names no proxy"),
    ],
)
def test_a_debug_page_that_is_none_leaves_what_the_metrics_say(body: bytes, told: str) -> None:
    with istiod(GOOD | {"/debug/syncz": say(body)}) as url:
        poller, health = asked(url)

    assert health.problem is not None
    assert told in health.problem
    assert poller.take()["kind"].to_list() == ["notice"]


def certificate(folder: Path, *, expired: bool) -> ssl.SSLContext:
    """A server's context with a certificate of its own for 127.0.0.1, and ``ca.pem`` to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "istiod")])
    now = clock.now()
    age = timedelta(days=3 if expired else 1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - age)
        .not_valid_after(now - age + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "server.pem").write_bytes(pem + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


@pytest.mark.parametrize(
    ("expired", "trusted", "told"),
    [
        (False, True, None),
        (True, True, "certificate has expired"),
        (False, False, "self-signed certificate"),
    ],
)
def test_a_certificate_that_is_not_sound_is_told(
    tmp_path: Path, expired: bool, trusted: bool, told: str | None
) -> None:
    context = certificate(tmp_path, expired=expired)
    with istiod(GOOD, context) as url:
        named = url.replace("127.0.0.1", "localhost")
        ca_file = str(tmp_path / "ca.pem") if trusted else ""
        poller = Poller(IstiodSettings(urls=(named,), timeout_s=3, ca_file=ca_file))
        poller.round()

    problems = [one.problem for one in poller.health() if "127.0.0.1" in one.endpoint]
    assert len(problems) == 1
    assert (told is None) == (problems[0] is None)
    assert (told or "") in (problems[0] or "")


def test_a_name_that_is_unknown_and_a_port_that_is_closed_are_told() -> None:
    with istiod(GOOD) as url:
        port = url.rpartition(":")[2]
    settings = IstiodSettings(
        urls=("http://istiod.invalid:15014", f"http://127.0.0.1:{port}", "ftp://x", "http://x:y")
    )
    poller = Poller(settings)
    poller.round()

    problems = {one.endpoint: one.problem or "" for one in poller.health()}
    assert "cannot be resolved" in problems["http://istiod.invalid:15014"]
    assert "cannot be asked" in problems[f"127.0.0.1:{port}"]
    assert "is no address" in problems["ftp://x"]
    assert "is no address" in problems["http://x:y"]


def test_one_hostile_replica_does_not_hide_the_others() -> None:
    with istiod(GOOD | {"/metrics": head_without_end}) as bad, istiod(GOOD) as good:
        poller = Poller(IstiodSettings(urls=(bad, good), timeout_s=0.5))
        poller.round()

    assert poller.take()["kind"].to_list() == ["notice", "sync", "sync"]


def test_a_thread_asks_in_rounds_until_it_is_closed() -> None:
    with istiod(GOOD) as url:
        poller = Poller(IstiodSettings(urls=(url,), every_s=1))
        poller.start()
        deadline = time.monotonic() + 20
        while not any(one.answered_at for one in poller.health()) and time.monotonic() < deadline:
            time.sleep(0.02)
        poller.close()

    assert poller.take().height == 3


def test_a_problem_is_told_once_and_when_it_is_over(capsys: pytest.CaptureFixture[str]) -> None:
    with istiod(GOOD) as url:
        assert main(["poll", url, "--rounds", "1"]) == 0
    shown = capsys.readouterr()
    events, errors = read_events(shown.out.splitlines())
    assert errors == []
    assert events["kind"].to_list() == ["notice", "sync", "sync"]
    assert f"{url.removeprefix('http://')}: answers" in shown.err

    assert main(["poll", url, "--rounds", "1"]) == 0  # the name still resolves
    assert "cannot be asked" in capsys.readouterr().err
    assert main(["poll"]) == 3


PROMETHEUS = {
    "status": "success",
    "data": {
        "resultType": "vector",
        "result": [
            {
                "metric": {"__name__": "pilot_info", "version": "1.23.0", "pod": pod},
                "value": [1, "1"],
            }
            for pod in ("istiod-a", "istiod-b")
        ],
    },
}


def test_a_prometheus_tells_of_every_pod_it_scrapes() -> None:
    pages = {"/api/v1/query": say(json.dumps(PROMETHEUS).encode())}
    with istiod(pages) as url:
        poller = Poller(IstiodSettings(prometheus=url))
        poller.round()

    found = poller.take()
    assert found["istiod"].to_list() == ["istiod-a", "istiod-b"]
    assert [one.problem for one in poller.health()] == [None]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"status":"error","error":"bad query"}', "refuses: bad query"),
        (b"<html>", "not as Prometheus does"),
        (b'{"status":"success","data":{"result":[{"metric":{},"value":[1,"x"]}]}}', "not as"),
        (b'{"status":"success","data":{"result":[]}}', "scrapes no istiod"),
    ],
)
def test_a_prometheus_that_does_not_help_is_told(body: bytes, told: str) -> None:
    with istiod({"/api/v1/query": say(body)}) as url:
        poller = Poller(IstiodSettings(prometheus=url))
        poller.round()

    (health,) = poller.health()
    assert told in (health.problem or "")


def kinds(view: View, time_s: float, body: bytes) -> list[tuple[str, float]]:
    rows = view.scraped("a", at(time_s), scrape.of_text(body))
    return [(str(one["kind"]), (one["time"] - at(0)).total_seconds()) for one in rows]


def test_a_restart_is_seen_by_the_uptime_or_else_by_a_counter() -> None:
    view = View()
    assert kinds(view, 0, metrics(uptime=5000)) == [("notice", 0)]
    assert kinds(view, 15, metrics(uptime=5014)) == []
    assert kinds(view, 30, metrics(uptime=4, pushes=1)) == [("control-plane-start", 26)]
    assert kinds(view, 45, metrics(uptime=19, pushes=5)) == []

    def without(pushes: int) -> bytes:
        return metrics(pushes=pushes).replace(b"istiod_uptime_seconds", b"other")

    view = View()
    assert kinds(view, 0, without(40)) == [("notice", 0)]
    assert kinds(view, 15, without(41)) == []
    assert kinds(view, 30, without(2)) == [("control-plane-start", 30)]


def test_pushes_acks_and_refusals_are_seen_between_rounds() -> None:
    def told(second: float, **of_cds: str) -> list[tuple[str, str | None]]:
        url = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
        body = [{"proxy": "web-1.shop", "resources": {url: of_cds}}]
        rows = view.synced("a", at(second), syncz.read(json.dumps(body).encode()))
        return [(str(one["kind"]), one["error"]) for one in rows]

    view = View()
    assert told(0, sent="1", acked="1") == [("sync", None)]
    assert told(15, sent="2", acked="1") == [("push", None)]
    assert told(30, sent="2", acked="2") == [("ack", None)]
    assert told(45, sent="3", acked="2", lastError="bad") == [("push", None), ("nack", "bad")]
    assert told(60, sent="3", acked="2", lastError="bad") == []


def test_a_proxy_that_changes_its_istiod_has_not_left() -> None:
    def proxy(*names: str) -> list[syncz.Synced]:
        return syncz.read(proxies(*names))

    view = View()
    view.synced("a", at(0), proxy("web-1", "web-2"))
    assert [one["kind"] for one in view.synced("b", at(1), proxy("web-1"))] == ["sync"]
    left = view.synced("a", at(15), proxy())
    assert [(one["kind"], one["proxy"]) for one in left] == [("disconnect", "web-2.shop")]


def test_what_the_log_told_is_not_told_again_by_polling() -> None:
    logged = [one | {"istiod": "istiod-x", "source": "istiod-log"} for one in connects(20, 0, 1)]
    polled = [
        row(
            60, "sync", f"web-{n}.shop", istiod="10.0.0.1:15014", version="1.6.14", source="metrics"
        )
        for n in range(20)
    ]
    ledger = Ledger(Settings())
    ledger.step(frame([*logged, *polled]), at(200))

    assert all(len(state.reconciles) == 1 for state in ledger.proxies.values())
    assert ledger.all_windows() == []


def test_polling_alone_shows_an_upgrade() -> None:
    def found(second: float, istiod: str, version: str) -> list[dict[str, object]]:
        return [
            row(second, "sync", f"web-{n}.shop", istiod=istiod, version=version, source="metrics")
            for n in range(20)
        ]

    ledger = Ledger(Settings())
    start = row(100, "control-plane-start", istiod="b", version="1.23.0", source="metrics")
    ledger.step(frame([*found(0, "a", "1.22.3"), start, *found(120, "b", "1.23.0")]), at(400))

    (window,) = ledger.all_windows()
    assert (window.kind, window.from_version, window.to_version) == ("upgrade", "1.22.3", "1.23.0")
    assert len(window.reconciled) == 20


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_no_answer_breaks_the_readers(body: bytes) -> None:
    for read in (scrape.of_text, scrape.of_prometheus, syncz.read):
        with suppress(scrape.NotMetricsError, syncz.NotSynczError):
            read(body)
