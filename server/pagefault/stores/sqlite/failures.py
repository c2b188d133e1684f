"""What SQLite's failures mean to a caller."""

from __future__ import annotations

import apsw

from ...base.errors import (
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)

_KINDS: tuple[tuple[type[apsw.Error], type[StoreError], str], ...] = (
    (apsw.FullError, StoreFull, "is full. Free some space; nothing acknowledged was lost"),
    (
        apsw.ReadOnlyError,
        StoreReadOnly,
        "can be read and not written. Check the permissions of the file and its folder",
    ),
    (apsw.BusyError, StoreBusy, "is locked by another program. Try again"),
    (apsw.LockedError, StoreBusy, "is locked by another program. Try again"),
    (
        apsw.CorruptError,
        StoreDamaged,
        "is damaged. Run `pagefault doctor`; nothing was renamed or deleted",
    ),
    (apsw.NotADBError, StoreDamaged, "is not a pagefault store. Name another file with --store"),
    (
        apsw.CantOpenError,
        StoreUnavailable,
        "cannot be opened. Check that its folder exists and may be written",
    ),
    (
        apsw.PermissionsError,
        StoreUnavailable,
        "may not be used by this user. Check the permissions of the file and its folder",
    ),
    (
        apsw.IOError,
        StoreUnavailable,
        "could not be read or written: the disk reported an error. Run `pagefault doctor`",
    ),
)


def explain(error: apsw.Error | OSError, path: str) -> StoreError:
    """The `StoreError` that says what happened to the file at ``path`` and what to do."""
    for kind, meaning, text in _KINDS:
        if isinstance(error, kind):
            return meaning(f"{path} {text}.")
    if isinstance(error, PermissionError):
        return StoreReadOnly(f"{path} may not be written by this user. Check its permissions.")
    return StoreUnavailable(f"{path} cannot be used ({type(error).__name__}). See the log.")
