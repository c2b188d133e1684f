"""The embedded store: one SQLite file, or ``:memory:``, for any number of processes.

Writes go through one thread (`writer`), reads by id run inline on the loop's own connection and
never wait for the disk's sync, larger searches run in a worker thread on a third connection.
"""

from __future__ import annotations

from .store import SqliteStore

__all__ = ["SqliteStore"]
