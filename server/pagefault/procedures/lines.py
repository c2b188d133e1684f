"""The decisions that the log keeps of recorded calls, as the fold of experience reads them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Called:
    """A recorded call. ``call`` and ``answer``: digests of the call and its normalised answer.

    ``keys``: names of its arguments, sorted. ``error``: the error's type, empty for a success.
    ``goal``: hashed terms of what it was made for. ``duration``: milliseconds, None when unknown.
    ``given``: hashes of its single values.
    ``at``: seconds since 1970. ``binding``: the number of the `$vN` its result was bound to.
    """

    session: str
    event: str
    tool: str
    call: str
    ok: bool
    answer: str = ""
    keys: tuple[str, ...] = ()
    error: str = ""
    goal: tuple[int, ...] = ()
    duration: float | None = None
    binding: int | None = None
    given: tuple[int, ...] = ()
    turn: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Fixed:
    """The change from a failed call to a later call of the same tool, ``worked`` or not.

    ``keys``: "+added", "-removed", "~changed" argument names. ``sig``: the same with the class of
    every change. ``via``: other tools used in between. ``features`` and ``goal``: hashed terms of
    the failure (normalised error, its type, its arguments) and of what the call was made for.
    """

    session: str
    tool: str
    failed: str  # event of the failure
    fixed: str  # event of the later call
    keys: tuple[str, ...]
    sig: tuple[str, ...]
    via: tuple[str, ...] = ()
    error: str = ""
    features: tuple[int, ...] = ()
    goal: tuple[int, ...] = ()
    worked: bool = True
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Gone:
    """Events whose content was forgotten: nothing may be shown from them any more."""

    events: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A sequence has got a page: it is not proposed again."""

    name: str
    page: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """A guard has stopped a call of the tool before it was made."""

    tool: str
    guard: str


Taught = Called | Fixed | Gone | Named | Stopped
