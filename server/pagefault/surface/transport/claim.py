"""Takes stdin and stdout away from everything else in the process while they carry the protocol."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from mcp.os.win32.utilities import rebind_std_handle_to_fd

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def claimed_stdio() -> Iterator[tuple[int, int]]:
    """Private descriptors of stdin and stdout, which nothing else reaches in the meantime.

    Descriptor 0 then reads as empty and 1 goes to stderr, so no print, no library and no child
    process can take a byte from the wire or put one on it. The private ones are never closed: a
    thread may still wait in them, and a number given out again would be taken for the wire.
    """
    _open_closed_ones()
    incoming, outgoing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    _redirect(nothing, 0)
    os.close(nothing)
    _redirect(2, 1)
    try:
        yield incoming, outgoing
    finally:
        with suppress(OSError, ValueError, AttributeError):  # what was printed stays off the wire
            sys.stdout.flush()
        _redirect(incoming, 0)
        _redirect(outgoing, 1)


def _open_closed_ones() -> None:
    """Without this a private descriptor could get the number 2, and errors go to the wire."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number: this one


def _redirect(source: int, target: int) -> None:
    os.dup2(source, target)
    if sys.platform == "win32":
        with suppress(OSError):  # children inherit the handle, not the descriptor
            rebind_std_handle_to_fd(target)
