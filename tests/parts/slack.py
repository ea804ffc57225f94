"""A Slack of our own over HTTP: webhooks and the Web API, with every way of failing."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

from detector import clock

TOKEN = "xoxb-canary-4711-secret"
HOOK = "/services/T0CANARY/B0CANARY/s3cretcanary"


@dataclass(frozen=True)
class Fault:
    """How a request goes wrong. ``taken``: the message is there all the same."""

    status: int = 0  # 0: the connection is dropped
    body: str = ""
    retry_after: int | None = None
    taken: bool = False
    slow_s: float = 0.0


@dataclass
class Call:
    """A request as it arrived."""

    at: float
    method: str  # chat.postMessage, ..., "upload" or "webhook"
    told: dict[str, Any]
    status: int = 0


@dataclass
class FakeSlack:
    """What arrived, and what is to go wrong. ``fault`` is asked for every request."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    messages: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)
    fault: Callable[[Call], Fault | None] = lambda _: None
    taken: threading.Event = field(default_factory=threading.Event)
    heard: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def hook(self) -> str:
        return f"{self.url}{HOOK}"

    @property
    def roots(self) -> list[dict[str, Any]]:
        return [one for one in self.messages if not one.get("thread_ts")]

    @property
    def replies(self) -> list[dict[str, Any]]:
        return [one for one in self.messages if one.get("thread_ts")]

    def made(self, *methods: str) -> list[Call]:
        return [call for call in self.calls if call.method in methods]

    def answer(self, call: Call) -> tuple[int, dict[str, Any] | str]:
        """Take a request as Slack would."""
        with self._lock:
            if call.method == "webhook":
                problem = _problem(call.told)
                if problem:
                    return 400, problem
                self._add(call.told)
                return 200, "ok"
            if call.method == "upload":
                self.uploads.append(call.told["bytes"])
                return 200, f"OK - {len(call.told['bytes'])}"
            return 200, self._methods()[call.method](call.told)

    def _methods(self) -> dict[str, Callable[[dict[str, Any]], dict[str, Any]]]:
        return {
            "chat.postMessage": self._post,
            "chat.update": self._update,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "files.getUploadURLExternal": self._upload,
            "files.completeUploadExternal": self._complete,
        }

    def _add(self, told: dict[str, Any]) -> dict[str, Any]:
        message = {**told, "ts": f"{clock.now().timestamp():.6f}", "edits": 0}
        self.messages.append(message)
        self.taken.set()
        return message

    def _post(self, told: dict[str, Any]) -> dict[str, Any]:
        problem = _problem(told)
        if problem:
            return {"ok": False, "error": problem}
        message = self._add(told)
        return {"ok": True, "ts": message["ts"], "channel": told["channel"]}

    def _update(self, told: dict[str, Any]) -> dict[str, Any]:
        problem = _problem(told)
        if problem:
            return {"ok": False, "error": problem}
        for one in self.messages:
            if one["ts"] == told["ts"]:
                one.update({**told, "edits": one["edits"] + 1})
                return {"ok": True, "ts": one["ts"], "channel": told["channel"]}
        return {"ok": False, "error": "message_not_found"}

    def _history(self, told: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "messages": self.roots[::-1]}

    def _replies(self, told: dict[str, Any]) -> dict[str, Any]:
        mine = [one for one in self.replies if one["thread_ts"] == told["ts"]]
        return {"ok": True, "messages": mine}

    def _upload(self, told: dict[str, Any]) -> dict[str, Any]:
        return {"ok": True, "upload_url": f"{self.url}/upload/1", "file_id": "F1"}

    def _complete(self, told: dict[str, Any]) -> dict[str, Any]:
        self.files.append(told)
        return {"ok": True, "files": [{"id": "F1"}]}


def _problem(told: dict[str, Any]) -> str:
    """What Slack would have against a message: its documented limits, and the one it has not."""
    blocks = told.get("blocks") or []
    texts = [
        one["text"]["text"]
        for one in blocks
        if one["type"] in {"section", "header"} and "text" in one
    ]
    fields = [field["text"] for one in blocks for field in one.get("fields", ())]
    if len(blocks) > 50 or any(len(one.get("fields", ())) > 10 for one in blocks):
        return "invalid_blocks"
    if any(not text.strip() or len(text) > 3_000 for text in texts):
        return "invalid_blocks"
    if any(not text.strip() or len(text) > 2_000 for text in fields):
        return "invalid_blocks"
    if any(one["type"] == "header" and len(one["text"]["text"]) > 150 for one in blocks):
        return "invalid_blocks"
    if len(json.dumps(blocks, ensure_ascii=False)) > 13_000:
        return "msg_blocks_too_long"
    return "" if told.get("text", "").strip() else "no_text"


class _Handler(BaseHTTPRequestHandler):
    slack: FakeSlack

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        call = self._call(body)
        self.slack.calls.append(call)
        self.slack.heard.set()
        fault = self.slack.fault(call)
        status, answer = (0, "") if fault and not fault.taken else self.slack.answer(call)
        if fault is not None:
            time.sleep(fault.slow_s)
            call.status = fault.status
            if not fault.status:
                self.close_connection = True
                self.connection.close()
                return
            headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
            self._reply(fault.status, fault.body or "fault", headers)
            return
        call.status = status
        self._reply(status, answer if isinstance(answer, str) else json.dumps(answer))

    def _call(self, body: bytes) -> Call:
        if self.path.startswith("/upload/"):
            return Call(time.monotonic(), "upload", {"bytes": body})
        if self.path == HOOK:
            return Call(time.monotonic(), "webhook", json.loads(body))
        assert self.headers["Authorization"] == f"Bearer {TOKEN}"
        if self.headers["Content-Type"].startswith("application/json"):
            told = json.loads(body)
        else:
            told = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        return Call(time.monotonic(), self.path.removeprefix("/api/"), told)

    def _reply(self, status: int, body: str, headers: dict[str, str] | None = None) -> None:
        data = body.encode()
        with suppress(OSError):  # whoever asked may have been killed
            self._write(status, data, headers or {})

    def _write(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def fake_slack() -> Iterator[FakeSlack]:
    slack = FakeSlack()
    handler = type("Handler", (_Handler,), {"slack": slack})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    slack.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield slack
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
