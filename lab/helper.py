"""How the lab's processes take orders: a JSON object a line on standard input, an answer each.

A helper ends when its standard input does, so none outlives the process that started it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Order = Callable[..., Awaitable[dict[str, Any]]]


async def serve(orders: Mapping[str, Order]) -> None:
    """Say that all is ready, then carry out orders until there are no more."""
    reader = asyncio.StreamReader(limit=2**20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    _answer({"ready": os.getpid()})
    while line := await reader.readline():
        asked = json.loads(line)
        try:
            _answer(await orders[asked.pop("do")](**asked))
        except (KeyError, TypeError, ValueError, OSError) as error:
            _answer({"error": f"{type(error).__name__}: {error}"})


def _answer(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()
