"""Real parts that tests stand on: a broker, a database. Each says why when it cannot be had."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def missing(part: str, reason: str) -> NoReturn:
    """Skip the test that needs a part; fail where all parts are demanded, as in CI."""
    message = f"{part}: {reason}"
    if os.environ.get("PUSHWAKE_REQUIRE_PARTS"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
