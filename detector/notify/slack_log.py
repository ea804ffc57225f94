"""The client library's own log, which may show addresses and tokens, leads nowhere."""

from __future__ import annotations

import logging


def silent() -> logging.Logger:
    """A logger of its own that no handler and no parent hears."""
    logger = logging.Logger("slack", level=logging.CRITICAL + 1)
    logger.addHandler(logging.NullHandler())
    return logger
