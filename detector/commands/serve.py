"""``pushwake serve``: the web process beside a worker."""

from __future__ import annotations

import argparse
import socket
import sys
from collections.abc import Callable

import msgspec
import uvicorn

from detector.commands.parser import Verbs, add_settings, settings_of
from detector.errors import InputError
from detector.settings import Settings
from detector.store.shared import SharedStore
from detector.web.app import create_app
from detector.web.pages import prepare
from detector.web.state import State

GRACE_S = 5
"""Seconds that requests under way have to end when the process is told to stop."""


def add(verbs: Verbs) -> None:
    """Let the command line know ``pushwake serve``."""
    verb = verbs.add_parser(
        "serve",
        help="answer REST queries about what a worker found",
        description="Serve the REST API over the store that a worker writes.",
    )
    verb.set_defaults(run=serve)
    verb.add_argument("--store", metavar="URL", help="the store; by default that of the settings")
    verb.add_argument("--host", metavar="ADDRESS", help="where to listen; by default loopback")
    verb.add_argument("--port", type=int, metavar="PORT", help="0 picks a free one")
    add_settings(verb)


def serve(options: argparse.Namespace) -> int:
    """``pushwake serve``."""

    def listens(address: str) -> None:
        sys.stdout.write(f"Pushwake listens on {address}\n")
        sys.stdout.flush()

    run(_settings(options), listens)
    return 0


def run(settings: Settings, on_listening: Callable[[str], None]) -> None:
    """Serve what is in the store of the settings until a signal ends it.

    Args:
        settings: the whole tree.
        on_listening: called with the address of the first page once it is listened to.

    Raises:
        InputError: the address is not ours, or taken.
    """
    listening = _listen(settings.web.host, settings.web.port)
    prepare()
    host, port = listening.getsockname()[:2]
    app = create_app(SharedStore(settings.store), settings)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    shown = f"[{host}]" if ":" in host else host
    on_listening(f"http://{shown}:{port}/")
    _Server(config, app.state.pushwake).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Ends the streams of events before it waits for the requests under way."""

    def __init__(self, config: uvicorn.Config, state: State) -> None:
        super().__init__(config)
        self._state = state

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._state.streams.close()
        await super().shutdown(sockets)


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        InputError: the address is not ours, or taken.
    """
    try:
        kind = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=kind, backlog=2048)
    except OSError as error:
        raise InputError(
            f"cannot listen ({error.strerror})",
            where=f"{host}:{port}",
            advice="Free the port, or name another (web.host and web.port; 0 picks a free one)",
        ) from error
    # Those accepted inherit it. Else an answer's body waits up to 40 ms for its head to be
    # acknowledged: asyncio sees to that only for sockets it has made itself.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _settings(options: argparse.Namespace) -> Settings:
    settings = settings_of(options)
    store, web = settings.store, settings.web
    if options.store:
        store = msgspec.structs.replace(store, url=options.store)
    if options.host:
        web = msgspec.structs.replace(web, host=options.host)
    if options.port is not None:
        web = msgspec.structs.replace(web, port=options.port)
    return msgspec.structs.replace(settings, store=store, web=web)
