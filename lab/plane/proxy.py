"""One connected proxy: the state-of-the-world protocol of xDS, answer by answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from lab.mesh import Pod
from lab.plane import protos
from lab.plane.protos import Request, Response
from lab.policy import Policy
from lab.xds import CDS, EDS, LDS, RDS, TYPES, resources

if TYPE_CHECKING:
    from lab.plane.istiod import Istiod

ORDER = (CDS, EDS, LDS, RDS)
"""In which order a push sends: make before break."""
_KINDS = {url: kind for kind, url in TYPES.items()}


class Proxy:
    """What one proxy has asked for, was sent and has accepted."""

    def __init__(self, istiod: Istiod, pod: Pod, connection: str) -> None:
        self.pod = pod
        self.connection = connection
        self.answers: asyncio.Queue[Response | None] = asyncio.Queue()
        self._istiod = istiod
        self._names: dict[str, list[str]] = {}  # by type, what it wants
        self._nonces: dict[str, str] = {}  # by type, of what it was sent last
        self._answered: set[str] = set()  # nonces it has accepted or refused
        self._waiting: set[asyncio.Task[None]] = set()
        self._held: set[str] = set()  # types that wait for their time

    def take(self, request: Request) -> None:
        """A request: a wish, an ack or a nack."""
        kind = _KINDS.get(request.type_url)
        if kind is None:
            return
        nonce = request.response_nonce
        if nonce and nonce != self._nonces.get(kind):
            return  # about an answer that another has overtaken
        names = list(request.resource_names)
        if nonce and not self._settled(kind, nonce, request):
            return
        if nonce and set(names) == set(self._names.get(kind, [])):
            return
        self._names[kind] = names
        if kind in {EDS, RDS} and not names:
            return
        self._answer_asked(kind)

    def push(self) -> None:
        """Send all that it watches, of the istiod's present policy."""
        for kind in ORDER:
            if kind in self._names and (kind in {CDS, LDS} or self._names[kind]):
                self._send(kind, self._istiod.policy, asked=False)

    def close(self) -> None:
        """Forget what was still to be sent."""
        for task in self._waiting:
            task.cancel()

    def _settled(self, kind: str, nonce: str, request: Request) -> bool:
        """Note an ack or nack; whether the request may still be a wish."""
        if nonce in self._answered:
            return True
        self._answered.add(nonce)
        if request.error_detail.code:
            message = request.error_detail.message
            self._istiod.log.refused(kind, self.connection, message)
            self._istiod.tell("nack", self.pod.id, {"type": kind})
            return False
        self._istiod.tell("ack", self.pod.id, {"type": kind})
        return True

    def _answer_asked(self, kind: str) -> None:
        """Answer a wish, at once or when the order of answers says so."""
        order, policy = self._istiod.order, self._istiod.policy
        first = kind not in self._nonces
        if first and kind == CDS and order.clusters_after_s[1]:
            self._later(kind, self._istiod.random.uniform(*order.clusters_after_s))
        elif first and kind == RDS and order.routes_after_s[1]:
            thin = msgspec.structs.replace(policy, hidden=(*policy.hidden, *order.hidden))
            self._send(kind, thin, asked=True)
            self._istiod.tell("thinned", self.pod.id, {"type": kind})
            self._later(kind, self._istiod.random.uniform(*order.routes_after_s))
        elif kind not in self._held:
            self._send(kind, policy, asked=True)

    def _later(self, kind: str, after_s: float) -> None:
        async def send() -> None:
            await asyncio.sleep(after_s)
            self._held.discard(kind)
            self._send(kind, self._istiod.policy, asked=True)

        self._held.add(kind)
        self._istiod.tell("held", self.pod.id, {"type": kind})
        task = asyncio.create_task(send())
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    def _send(self, kind: str, policy: Policy, *, asked: bool) -> None:
        istiod = self._istiod
        found = resources(istiod.scene, self.pod, policy, kind, self._names[kind])
        nonce = str(uuid4())
        answer = protos.response(TYPES[kind], str(istiod.pushes), nonce, found)
        self._nonces[kind] = nonce
        self.answers.put_nowait(answer)
        size = sum(len(one.value) for one in answer.resources)
        istiod.log.answered(kind, self.pod.id, len(found), size, asked=asked)
        istiod.tell("sent", self.pod.id, {"type": kind})
