"""Print log records of the package as notices."""

import logging
import time
from collections.abc import Callable

_RETRIES = "selfcritic.agent.sampling.retry"
"""Logger of failed attempts."""
_REPEAT_SECONDS = 10.0
"""Parallel requests fail together: their equal failures are printed once in this time."""


class NoticeHandler(logging.Handler):
    """Prints warnings, and failed attempts that are retried if `shows_retries`."""

    def __init__(self, show: Callable[[str], None], shows_retries: bool) -> None:
        super().__init__(logging.INFO)
        self._show = show
        self._shows_retries = shows_retries
        self._printed: dict[object, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record, with its hint for people at a terminal."""
        if record.levelno < logging.WARNING:
            is_retry = record.name == _RETRIES and self._shows_retries
            if not is_retry or self._is_repeated(record):
                return
        hint = getattr(record, "hint", None)
        message = record.getMessage()
        self._show(f"{message} {hint}" if hint else message)

    def _is_repeated(self, record: logging.LogRecord) -> bool:
        attempt, *_, reason = record.args if isinstance(record.args, tuple) else (0, "")
        now = time.monotonic()
        is_repeated = now - self._printed.get((attempt, reason), -_REPEAT_SECONDS) < _REPEAT_SECONDS
        self._printed[attempt, reason] = now
        return is_repeated


def install(handler: NoticeHandler) -> None:
    """Add a handler to the package's logger, in place of an earlier one."""
    logger = logging.getLogger("selfcritic")
    for other in list(logger.handlers):
        if isinstance(other, NoticeHandler):
            logger.removeHandler(other)
    logger.addHandler(handler)
    logging.getLogger(_RETRIES).setLevel(logging.INFO)
