"""The lab itself: real proxies come up, obey, write every layout, and leave nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.formats import LAYOUTS, TEXT
from lab.mesh import (
    ADMIN_PORT,
    AUTHZ_PORT,
    GATEWAY_PORT,
    HTTP_PORT,
    OUTBOUND_PORT,
    XDS_PORT,
    Mesh,
)
from lab.policy import Policy
from lab.process import LabError
from lab.running import Lab, Options
from lab.scenarios import SCENARIOS, Scenario
from lab.truth import NoEffectError, Truth, wait
from pipelines.explain import explain
from tests.web.conftest import eventually

ROOT = Path(__file__).parent.parent.parent
ENDING_S = 15.0


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """A mesh with two versions of Envoy that writes every layout at once."""
    with Lab(Options(layouts=("1.23", "json", *(set(TEXT) - {"1.23"})), mixed=True)) as running:
        wait(5)
        running.shipper.ask("drain")
        yield running


def lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines()


def until(what: str, path: Path, times: int = 1) -> str:
    """The text of a file once it holds this so many times."""
    for _ in range(600):
        if len(re.findall(what, text := path.read_text())) >= times:
            return text
        time.sleep(0.1)
    raise AssertionError(f"{what} is not {times} times in {path}")


def test_traffic_is_answered_and_of_many_kinds(lab: Lab) -> None:
    sent = Counter({kind: int(n) for kind, n in lab.load.ask("sent").items()})
    kinds = {name.partition("/")[0] for name in sent}

    assert {"get", "post", "head", "empty", "missing", "chunked"} <= kinds
    assert sum(n for name, n in sent.items() if name.endswith("/0")) < 0.1 * sent.total()
    assert sent["withheld"] == 0


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pushwake_reads_what_real_proxies_write(lab: Lab, layout: str) -> None:
    read = []
    for pod in lab.mesh.pods:
        for line in lines(lab.log_of(pod, layout))[:50]:
            read += [one["kind"] for one in explain(line.encode())]

    assert len(read) > 100
    assert set(read) == {"access"}


def test_both_versions_of_envoy_are_in_the_mesh(lab: Lab) -> None:
    versions = {
        json.loads((lab.folder / "bootstrap" / f"{pod.name}.json").read_text())["node"]["metadata"][
            "ISTIO_VERSION"
        ]
        for pod in lab.mesh.pods
    }

    assert versions == {"1.28.2", "1.32.0"}


def test_a_listener_that_proxies_refuse_is_a_nack_of_each(lab: Lab) -> None:
    log = lab.folder / "istiod" / f"{lab.istiod}.log"
    proxies = lab.plane.ask("connected", name=lab.istiod)["proxies"]  # others may have moved on
    lab.push(Policy(broken=True), "EnvoyFilter/istio-system/broken")
    wait(1)
    text = until(r"ADS:LDS: ACK ERROR", log, times=len(proxies))
    lab.push(Policy(), "EnvoyFilter/istio-system/broken")

    assert proxies
    assert "for config EnvoyFilter/istio-system/broken" in text
    assert text.count("ADS:LDS: ACK ERROR") == len(proxies)


def test_proxies_move_to_a_new_istiod_one_by_one(lab: Lab) -> None:
    old = lab.istiod
    new = lab.new_istiod("1.32.0", Policy())
    lab.serve(new)
    pod = lab.mesh.of("cart")[0]
    lab.move(pod)
    until(f"new connection for node:{re.escape(pod.id)}", lab.folder / "istiod" / f"{new}.log")

    assert lab.plane.ask("connected", name=new)["proxies"] == [pod.id]
    assert pod.id not in lab.plane.ask("connected", name=old)["proxies"]


def test_a_fault_without_any_effect_is_an_error_of_the_scenario(lab: Lab) -> None:
    truth = Truth()
    with truth.fault("nothing", "workload", "UC"):
        wait(0.1)

    with pytest.raises(NoEffectError, match="no entries with UC"):
        truth.observe(lab)


def test_two_labs_never_meet(lab: Lab) -> None:
    with Lab(Options(rate=5)) as other:
        mine = {pod.ip for pod in lab.mesh.pods}
        theirs = {pod.ip for pod in other.mesh.pods}

    assert mine.isdisjoint(theirs)


def test_an_unknown_layout_is_refused_by_name() -> None:
    with pytest.raises(LabError, match=r"no such layout: 1\.99"):
        Lab(Options(layouts=("1.99",)))


def starting(folder: Path) -> bool:
    return any('"octet"' in words for words in processes_of(str(folder)))


def upgrading(folder: Path) -> bool:
    return len(list((folder / "istiod").glob("*.log"))) > 1


@pytest.mark.parametrize("reached", [starting, upgrading])
def test_a_lab_that_is_killed_leaves_no_process_port_or_file(
    reached: Callable[[Path], bool], tmp_path: Path
) -> None:
    temporary, out = tmp_path / "tmp", tmp_path / "out"
    temporary.mkdir()
    command = [sys.executable, "-m", "lab", "scenario", "upgrade-nc", "--quiet", "1"]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(
        [*command, "--out", str(out)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        eventually(lambda: any(reached(folder) for folder in temporary.iterdir()), 60)
        running = processes_of(str(temporary))
        os.killpg(process.pid, signal.SIGKILL)  # the whole group, as a job is ended

    octets = set(re.findall(r'"octet": (\d+)', " ".join(running)))
    assert octets
    eventually(lambda: not processes_of(str(temporary)) and not [*temporary.iterdir()], ENDING_S)
    assert not out.exists()
    assert [one for octet in octets for one in listening(int(octet))] == []


def listening(octet: int) -> list[tuple[str, int]]:
    """Where a lab with this number still listens."""
    mesh = Mesh(octet)
    ports = (GATEWAY_PORT, HTTP_PORT, OUTBOUND_PORT, ADMIN_PORT)
    places = [(pod.ip, port) for pod in mesh.pods for port in ports]
    places += [(pod.app_ip, HTTP_PORT) for pod in mesh.pods]
    places += [(mesh.xds, XDS_PORT), (mesh.authz, AUTHZ_PORT), (f"127.{octet}.255.254", 1024)]
    return [one for one in places if not is_free(*one)]


def test_a_failure_inside_leaves_nothing_either(tmp_path: Path) -> None:
    folder = ""

    def fail() -> None:
        nonlocal folder
        with Lab(Options(rate=5)) as running:
            folder = str(running.folder)
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        fail()

    assert processes_of(folder) == []
    assert not Path(folder).exists()


def test_a_scenario_records_logs_and_truth(tmp_path: Path) -> None:
    def crash(lab: Lab, truth: Truth) -> None:
        pods = [lab.mesh.of("payments")[0].id]
        with truth.fault("crash", "workload", "UF", "UC", "URX"):
            lab.apps.ask("crash", pods=pods)
            wait(4)
            lab.apps.ask("restart", pods=pods)

    with Lab(Options()) as running:
        truth = Scenario("short", crash).run(running, quiet_s=2, after_s=1)
        shipped = running.folder / "shipped"
        text, wrapped = lines(shipped / "access.1.23.log"), lines(shipped / "access.json")
        (label,) = [fault.label() for fault in truth.faults]

    assert label["services"] == ["payments.default.svc.cluster.local"]
    assert "UF" in label["signals"]
    assert len(text) == len(wrapped) > 100
    assert all(line.startswith("[pod/") for line in text)
    assert json.loads(wrapped[0])["kubernetes"]["container_name"] == "istio-proxy"


def test_every_scenario_says_what_it_is_and_stands_in_the_docs() -> None:
    table = (ROOT / "docs" / "lab.md").read_text()

    assert all(one.title.endswith(".") for one in SCENARIOS.values())
    assert [name for name in SCENARIOS if f"| {name} |" not in table] == []


def processes_of(folder: str) -> list[str]:
    """Command lines that name a lab's folder; the guardian's too."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it ended meanwhile
            continue
        if folder in words:
            found.append(words)
    return found


def is_free(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) != 0
