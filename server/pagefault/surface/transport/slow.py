"""Clients that are too slow are dropped, so that a few of them cannot hold up the others.

uvicorn waits for ever for the rest of a request, and for a client to take its answer. Here each
connection has two clocks: one runs from a request's first byte to its last (and from the
connection to its first request), the other while a written answer waits to be taken.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from .limits import Limits

_log = logging.getLogger(__name__)


def impatient(limits: Limits) -> type[H11Protocol]:
    """uvicorn's HTTP protocol with ``limits`` on how long a client may take."""

    class Impatient(_Impatient):
        arrival_seconds = limits.arrival_seconds
        answer_seconds = limits.answer_seconds

    return Impatient


class _Impatient(H11Protocol):
    arrival_seconds: float
    answer_seconds: float
    _arrival: asyncio.TimerHandle | None = None
    _answer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # (asyncio declares the base class of transports, uvicorn and we the one it is given)
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # hear of every byte that has to wait
        self._expect_request()
        if self.limit_concurrency is not None and len(self.connections) > self.limit_concurrency:
            transport.abort()  # at the limit uvicorn answers 503; past it there is no room for that

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_arrival()
        self._stop_answer()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """Called by uvicorn on new bytes and after each answer: see what the next request lacks."""
        try:
            super().handle_events()
        except h11.LocalProtocolError:
            # garbage behind a request that has its answer: uvicorn would answer once more
            self.transport.abort()
            return
        state = self.conn.their_state
        begun = state is h11.IDLE and self.conn.trailing_data[0]
        if state is h11.SEND_BODY or begun:
            self._expect_request()
        elif state is not h11.IDLE:
            self._stop_arrival()

    def shutdown(self) -> None:
        """Called by uvicorn when the server stops: half a request will not be served any more."""
        if self._arrival is None:
            super().shutdown()
        else:
            self.transport.abort()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_answer()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_answer()

    def _watch_answer(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._answer = self.loop.call_later(self.answer_seconds, self._check_answer, waiting)

    def _check_answer(self, before: int) -> None:
        """A slow reader may go on, one that took nothing may not."""
        if self.transport.get_write_buffer_size() < before:
            self._watch_answer()
        else:
            self._drop("it does not take its answer")

    def _drop(self, why: str) -> None:
        _log.info("dropped a slow client: %s", why)
        self.transport.abort()

    def _expect_request(self) -> None:
        if self._arrival is None:
            self._arrival = self.loop.call_later(
                self.arrival_seconds, self._drop, "its request did not arrive"
            )

    def _stop_arrival(self) -> None:
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    def _stop_answer(self) -> None:
        if self._answer is not None:
            self._answer.cancel()
            self._answer = None
