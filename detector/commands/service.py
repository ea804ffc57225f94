"""What all long-lived commands have in common: a log, a gentle end, an exit code."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable
from threading import Event

from detector import logs
from detector.errors import InputError, PushwakeError
from detector.settings import Settings
from pipelines.source import SourceError


def serve(settings: Settings, work: Callable[[Settings, Event], None], log: logging.Logger) -> int:
    """Work until SIGTERM or SIGINT sets the event; the exit code.

    Nothing is retried here: what fails is logged, and who supervises the process starts it again.
    """
    logs.start(sys.stderr, settings.run.log_format)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        work(settings, stop)
    except SourceError as error:
        return _failed(InputError(error.what, where=error.where, advice=error.advice), log)
    except PushwakeError as error:
        return _failed(error, log)
    except Exception:
        log.critical("a defect of Pushwake; it can be started again", exc_info=True)
        return 1
    return 0


def _failed(error: PushwakeError, log: logging.Logger) -> int:
    log.critical(str(error), extra={"fields": {"exit_code": error.exit_code}})
    return error.exit_code
