"""One line format for all processes, on standard error: `2026-08-01 12:00:00.123 INFO stt.1 what happened`."""

import logging
import sys
import traceback
from types import TracebackType

from ipc import flight


def set_up(name: str, level: str) -> None:
    """Makes this process log as `name`, from `level` ("debug", "info", "warning" or "error") on. May be repeated.

    An error that nobody catches is logged, too, before it ends the process.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter(
            f"%(asctime)s.%(msecs)03d %(levelname)s {name.replace('%', '%%')} %(message)s", datefmt="%Y-%m-%d %H:%M:%S"
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    sys.excepthook = _log_uncaught


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    flight.recorder().last_words("".join(traceback.format_exception(kind, error, trace)))
    logging.getLogger().critical("failed: %s", error, exc_info=(kind, error, trace))
