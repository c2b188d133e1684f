"""Where log records go: plain lines on stderr, which never make a call wait."""

from __future__ import annotations

import logging
import os
from contextlib import suppress

from ..base.portable import write_room

_STDERR = 2


def quiet_logging(level: str) -> None:
    """Send records of this level and above to stderr; to be called before an MCPServer is made.

    The SDK then finds a handler on the root logger and leaves out its own, which (where `rich` is
    installed) spends over a second of the event loop on one traceback.

    Raises ValueError for a level that `logging` does not know.
    """
    handler = _Stderr()
    form = "%(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=level.upper(), format=form, handlers=[handler], force=True)


class _Stderr(logging.Handler):
    """Drops what a client that does not read stderr has no room for, rather than wait for it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record to descriptor 2."""
        with suppress(OSError):  # nobody is left to be told
            _write(f"{self.format(record)}\n".encode(errors="backslashreplace"))


def _write(text: bytes) -> None:
    while text:
        room = write_room(_STDERR)
        if room == 0:
            return
        text = text[os.write(_STDERR, text[:room]) :]
