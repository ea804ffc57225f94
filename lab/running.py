"""A running lab: the mesh, its control plane, its applications and its clients."""

from __future__ import annotations

import secrets
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from detector.clock import monotonic_s
from lab import parts, sidecars
from lab.claim import Claim
from lab.formats import LAYOUTS, STDOUT
from lab.mesh import Mesh, Pod
from lab.policy import Order, Policy
from lab.process import Helper, LabError, Processes
from lab.xds.tls import write_certificates

READY_S = 30.0


@dataclass(frozen=True, slots=True)
class Kafka:
    """Where to ship to."""

    address: str
    access: str  # topic
    control: str  # topic


@dataclass(frozen=True, slots=True)
class Options:
    """How a lab is set up.

    Args:
        layouts: access log layouts to write; the first is what the proxies print, the others go
            to files of their own. The same traffic in each.
        istio: version of the first istiod, whose words its log uses.
        istiod_json: whether istiod logs JSON.
        mixed: whether the second pod of each service runs an older Envoy.
        rate: requests a second at the gateways.
        seed: of the traffic.
        kafka: where to ship what the proxies and istiods print, besides to files.
    """

    layouts: tuple[str, ...] = ("1.23", "json")
    istio: str = "1.31.2"
    istiod_json: bool = False
    mixed: bool = False
    rate: float = 40.0
    seed: int = 1
    kafka: Kafka | None = None


class Lab:
    """Start, give orders, stop. A context manager; nothing is left behind however it ends."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        unknown = set(self.options.layouts) - set(LAYOUTS)
        if unknown:
            raise LabError(f"no such layout: {', '.join(sorted(unknown))} ({', '.join(LAYOUTS)})")
        self._claim = Claim()
        self.mesh = Mesh(self._claim.octet, mixed=self.options.mixed)
        self.folder = Path(tempfile.gettempdir()) / f"pushwake-lab-{secrets.token_hex(6)}"
        self.policy = Policy()
        self.istiod = ""  # the one that serves
        self._number = 0
        self.processes = Processes(self.folder)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until it is ready, traffic included.

        Raises:
            LabError: naming the part that does not come up.
        """
        for name in ("logs", "proxy", "istiod", "bootstrap", "layouts", "shipped"):
            (self.folder / name).mkdir()
        write_certificates(self.folder / "certificates")
        self.plane = self._helper("lab.plane", {"PYTHONPATH": self._path()})
        self.apps = self._helper("lab.apps")
        self.load = self._helper("lab.load")
        self.shipper = self._helper("lab.shipper")
        for pod in self.mesh.pods:
            sidecars.start(self.processes, self.mesh, pod, self.folder)
        for one in (self.plane, self.apps, self.load, self.shipper):
            one.ready()
        self.new_istiod(self.options.istio, Policy())
        self.serve(self.istiods[-1])
        sidecars.wait_ready(self.mesh.pods, self.folder, READY_S)
        self.load.ask("rate", per_s=self.options.rate)

    def stop(self) -> None:
        """End everything and remove the folder. May be called after a failed start."""
        self.processes.close()
        self._claim.close()

    def log_of(self, pod: Pod, layout: str) -> Path:
        """Where a pod's access log of this layout is written."""
        if layout == self.options.layouts[0]:
            return self.folder / "logs" / f"{pod.name}.log"
        return self.folder / "layouts" / f"{pod.name}.{layout}.log"

    # What scenarios do to the control plane.

    @property
    def istiods(self) -> list[str]:
        """Names of all istiods so far, in the order of their start."""
        return sorted(path.stem for path in (self.folder / "istiod").glob("*.log"))

    def new_istiod(self, version: str, policy: Policy, order: Order | None = None) -> str:
        """Start an istiod; nobody connects to it before `serve`."""
        self._number += 1
        name = f"istiod-{self._number}-7d9c5b6f4-{'bcdfghjk'[self._number]}x2vq"
        self.plane.ask(
            "start",
            name=name,
            version=version,
            policy=msgspec.to_builtins(policy),
            order=msgspec.to_builtins(order or Order()),
            as_json=self.options.istiod_json,
        )
        self.policy = policy
        return name

    def serve(self, name: str) -> None:
        """Proxies that connect from now on meet this istiod."""
        self.plane.ask("serve", name=name)
        self.istiod = name

    def move(self, pod: Pod) -> None:
        """Cut a proxy's connection, so that it connects to the istiod that serves."""
        if not self.plane.ask("cut", ips=[pod.ip])["cut"]:
            raise LabError(f"{pod.name} was not connected to the control plane")

    def push(
        self,
        policy: Policy,
        reason: str,
        *,
        spread_s: float = 0.3,
        pods: tuple[Pod, ...] | None = None,
    ) -> None:
        """Let the istiod that serves push a policy."""
        self.policy = policy
        self.plane.ask(
            "push",
            name=self.istiod,
            policy=msgspec.to_builtins(policy),
            reason=reason,
            spread_s=spread_s,
            pods=None if pods is None else [pod.id for pod in pods],
        )

    def wait_connected(self, name: str, timeout_s: float = 10.0) -> None:
        """Wait until all proxies are connected to an istiod.

        Raises:
            LabError: naming those that are not.
        """
        wanted = {pod.id for pod in self.mesh.pods}
        deadline = monotonic_s() + timeout_s
        while missing := wanted - set(self.plane.ask("connected", name=name)["proxies"]):
            if monotonic_s() > deadline:
                raise LabError(f"not connected to {name}: {', '.join(sorted(missing))}")
            time.sleep(0.05)

    def _helper(self, module: str, environment: dict[str, str] | None = None) -> Helper:
        first, *others = self.options.layouts
        logs = [(first, STDOUT)]
        logs += [(one, str(self.folder / "layouts" / f"{{pod}}.{one}.log")) for one in others]
        setup = {
            "octet": self.mesh.octet,
            "mixed": self.mesh.mixed,
            "seed": self.options.seed,
            "folder": str(self.folder),
            "certificates": str(self.folder / "certificates"),
            "logs": logs,
            "kafka": self._kafka(),
        }
        errors = self.folder / f"{module}.err"
        return Helper(self.processes, module, setup, errors, environment)

    def _kafka(self) -> dict[str, object] | None:
        kafka = self.options.kafka
        if kafka is None:
            return None
        topics = {"access": kafka.access, "control": kafka.control}
        return {"address": kafka.address, "topics": topics}

    @staticmethod
    def _path() -> str:
        """Protos first; the lab itself, which is run from its checkout, after them."""
        return f"{parts.protos()}:{parts.ROOT}"
