"""When a stdio server is to end, and by when it must have ended."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Self

from ...base.portable import parent_id, parent_vanished, stop_signals

if TYPE_CHECKING:
    from collections.abc import Callable

ENDS_WITHIN: Final = 0.8
"""Seconds from the wish to end to the end of the process, whatever hangs."""

_LOOKS_EVERY: Final = 0.2  # seconds; with the above, a second from the death of the parent


class Lifetime:
    """Ends on a signal, with the parent, or on `end`; as a context, watches for these.

    The watch is a thread, so that it also holds while something keeps the event loop busy.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        """`on_end` is called once, in the event loop."""
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._ending = threading.Event()
        self._over = threading.Event()
        self._signalled = False
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Begin to watch."""
        if threading.current_thread() is threading.main_thread():
            self._handlers = {each: signal.getsignal(each) for each in stop_signals()}
        for each, former in self._handlers.items():
            if former is not signal.SIG_IGN:  # as under nohup
                signal.signal(each, self._on_signal)
        threading.Thread(
            target=self._watch, args=(parent_id(),), name="lifetime", daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        """The server has ended."""
        self._over.set()
        self._ending.set()
        for each, former in self._handlers.items():
            signal.signal(each, former)

    def end(self) -> None:
        """Begin to end, from any thread; a second time is nothing."""
        if not self._ending.is_set():
            self._ending.set()
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._on_end)

    def _on_signal(self, *_: object) -> None:
        """Takes no lock, since the code it interrupts may hold it."""
        self._signalled = True
        self._loop.call_soon_threadsafe(self.end)

    def _watch(self, parent: int) -> None:
        while not self._ending.wait(_LOOKS_EVERY):
            if self._signalled or parent_vanished(parent):
                self.end()
        if not self._over.wait(ENDS_WITHIN):
            os._exit(0)
