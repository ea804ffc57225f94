"""The address that stands for the istiod Service: passes connections on, and cuts them."""

from __future__ import annotations

import asyncio
from collections import defaultdict

CHUNK = 64 * 1024


class Front:
    """Passes every new connection to the backend of the moment.

    Proxies connect from their pod's own address, so connections can be cut one proxy at a time,
    which is how they are moved to another istiod.
    """

    def __init__(self) -> None:
        self.backend: int | None = None  # port on 127.0.0.1
        self._open: defaultdict[str, set[asyncio.StreamWriter]] = defaultdict(set)
        self._server: asyncio.Server | None = None

    async def start(self, address: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the address is taken.
        """
        self._server = await asyncio.start_server(self._pass, address, port)

    def cut(self, ip: str) -> int:
        """Break off the connections that come from this address; how many there were."""
        writers = list(self._open[ip])
        for writer in writers:
            writer.transport.abort()
        return len(writers)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ip = str(writer.get_extra_info("peername")[0])
        self._open[ip].add(writer)
        try:
            if self.backend is None:
                return
            onward = await asyncio.open_connection("127.0.0.1", self.backend)
            await asyncio.gather(_copy(reader, onward[1]), _copy(onward[0], writer))
        except OSError:
            pass  # no istiod is listening: the proxy will try again
        finally:
            self._open[ip].discard(writer)
            writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
