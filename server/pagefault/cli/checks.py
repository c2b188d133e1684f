"""What `doctor` checks: each function looks at one thing and says what it found.

Nothing here writes. A further check is a function and its line in `CHECKS`.
"""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from ..base.errors import PagefaultError, StoreDamaged
from ..base.estimate import ESTIMATE_ERROR
from ..base.portable import (
    filesystem_kind,
    is_network_folder,
    is_synced_folder,
    open_to_others,
)
from ..base.tokens import open_tokenizer
from ..memory.opening import find_compressors, find_policy
from ..paging.levels import thumbnail
from ..stores.opening import Options, opener
from ..stores.sqlite.inspecting import (
    SOUND_SQLITE,
    Inspector,
    WorkspaceFacts,
    library,
    lock_holder,
)
from .finding import REPAIR, Finding
from .repairing import disagreeing
from .setting_up import SetUp, data_file, server_url

_LOG_LIMIT = 64 * 2**20  # bytes of write-ahead log that somebody must be holding back
_LISTED = 20  # damaged contents of a kind
_ROOM = 200 * 2**20  # bytes of free disk below which it is said
_SHOWN_ERRORS = ("english", "code", "russian", "chinese", "japanese")
_MOVE = "Move it to a folder of this machine and name that with --store"


Check = Callable[[SetUp], Iterator[Finding]]


def findings(ready: SetUp) -> Iterator[Finding]:
    """Everything that the checks find; one that cannot be made is a failure and not the end."""
    for what, check in CHECKS:
        try:
            yield from check(ready)
        except PagefaultError as error:
            yield Finding("fail", what, error.message)


def _python(_: SetUp) -> Iterator[Finding]:
    yield Finding("ok", "Python", f"{platform.python_version()} on {platform.platform()}")


def _sqlite(_: SetUp) -> Iterator[Finding]:
    found = library()
    least = ".".join(map(str, SOUND_SQLITE))
    if not found.sound:
        yield Finding(
            "fail",
            "SQLite",
            f"{found.version} may damage a file that two processes share; {least} does not",
            "pip install --upgrade apsw",
        )
    elif not found.full_text:
        yield Finding(
            "fail", "SQLite", f"{found.version} lacks FTS5", "pip install --force-reinstall apsw"
        )
    else:
        yield Finding("ok", "SQLite", f"{found.version} (at least {least}), with FTS5")


def _images(_: SetUp) -> Iterator[Finding]:
    if thumbnail.installed():
        yield Finding("ok", "images", "thumbnails are drawn with Pillow")
    else:
        yield Finding(
            "ok",
            "images",
            "no thumbnails: images are shown whole or by their caption",
            'pip install "pagefault[image]", if images are recorded here',
        )


def _settings(ready: SetUp) -> Iterator[Finding]:
    for note in ready.resolved.notes:
        yield Finding("warn", "settings", note)
    find_policy(ready.resolved.settings.policy)
    find_compressors(ready.resolved.settings.compressors)


def _store(ready: SetUp) -> Iterator[Finding]:
    opener(ready.resolved.settings.store or "sqlite", Options())
    path, url = data_file(ready), server_url(ready)
    if url is not None:
        from .server_checks import check_server  # the client is imported by those who need it

        in_use = yield from check_server(ready, url)
        yield from _tokenizers(ready, in_use)
    elif path is None:
        yield Finding(
            "warn",
            "data",
            f"{ready.resolved.settings.store}: nothing is kept when the server ends",
            "Leave --store out, or name a file, to keep the memory",
        )
    elif not path.exists():
        yield Finding("ok", "data", f"{path} is not there yet: the first start makes it")
    else:
        yield Finding("ok", "data", f"{path}, {path.stat().st_size:,} bytes")


def _folder(ready: SetUp) -> Iterator[Finding]:
    path = data_file(ready)
    if path is None:
        return
    folder = next(place for place in path.absolute().parents if place.exists())
    kind = filesystem_kind(folder)
    if is_network_folder(folder):
        yield Finding(
            "warn",
            "folder",
            f"{folder} is served by another machine ({kind or 'network drive'}): "
            "locks may not hold there, and two windows may damage the file",
            _MOVE,
        )
    elif is_synced_folder(folder):
        yield Finding(
            "warn", "folder", f"{folder} is copied about by a cloud client while it changes", _MOVE
        )
    else:
        yield Finding("ok", "folder", f"{folder}, {kind or 'local'}")
    if (free := shutil.disk_usage(folder).free) < _ROOM:
        yield Finding("warn", "disk", f"{free:,} bytes are free", "Make room")


def _permissions(ready: SetUp) -> Iterator[Finding]:
    path = data_file(ready)
    if path is None:
        return
    folder = next(place for place in path.absolute().parents if place.exists())
    problems = [*_unwritable(folder, os.W_OK | os.X_OK)]
    if path.exists():
        problems += [*_unwritable(path, os.R_OK | os.W_OK)]
        if open_to_others(path) and open_to_others(path.absolute().parent):
            problems.append(
                Finding(
                    "warn",
                    "permissions",
                    f"other users of this machine may read {path}",
                    f"chmod 600 {path}",
                )
            )
    yield from problems or [Finding("ok", "permissions", "this user may read and write")]


def _unwritable(path: Path, wanted: int) -> Iterator[Finding]:
    if not os.access(path, wanted):
        yield Finding(
            "fail",
            "permissions",
            f"this user may not write {path}: what is there can be read, nothing new is kept",
            "Change its owner or its permissions, or name another file with --store",
        )


def _file(ready: SetUp) -> Iterator[Finding]:
    path = data_file(ready)
    if path is None or not path.exists():
        return
    with Inspector(path) as file:
        schema = file.schema()
        if not schema:
            yield Finding("warn", "data file", "it is empty: the next start of a server fills it")
            return
        yield Finding("ok", "schema", f"version {schema} of {file.newest_schema}")
        yield from _structure(file)
        if schema == file.newest_schema:
            yield from _agreeing(file)
        else:  # the tables are not yet what can be compared
            yield from _contents(file, file.damaged())
        yield from _tokenizers(ready, {place.tokenizer for place in file.workspaces()})
        yield from _index(file.workspaces())
    yield from _log(path, sees_log=file.sees_log)


def _structure(file: Inspector) -> Iterator[Finding]:
    check = "integrity_check" if file.thorough else "quick_check"
    complaints = file.complaints()
    for complaint in complaints:
        yield Finding("fail", "structure", complaint, _restore(file.path))
    if not complaints:
        yield Finding("ok", "structure", f"sound ({check})")


def _agreeing(file: Inspector) -> Iterator[Finding]:
    """Whether sessions, numbers and index are what the log says, and contents what was written."""
    damaged: list[str] = []
    levels: list[str] = []
    whole = True
    try:
        for name, examination in file.examinations():
            wrong = list(disagreeing(examination, name))
            whole = whole and not wrong
            yield from wrong
            for one in examination.damage:
                (levels if one.computed else damaged).append(f"{one.detail} in {name}")
    except StoreDamaged as error:
        yield Finding("fail", "structure", error.message, _restore(file.path))
        damaged = file.damaged()
    else:
        if whole:
            yield Finding("ok", "agreement", "sessions, numbers and index are what the log says")
    for level in _some(levels):
        yield Finding("fail", "contents", f"{level}; it is not served", REPAIR)
    yield from _contents(file, _some(damaged), quiet=bool(levels))


def _some(found: list[str]) -> list[str]:
    further = len(found) - _LISTED
    return [*found[:_LISTED], f"and {further:,} more"] if further > 0 else found


def _contents(file: Inspector, damaged: list[str], *, quiet: bool = False) -> Iterator[Finding]:
    for one in damaged:
        yield Finding("fail", "contents", f"{one}; it is not served", _restore(file.path))
    if not damaged and not quiet:
        yield Finding("ok", "contents", "every checksum holds")


def _restore(path: Path) -> str:
    return (
        f"Stop the servers, keep {path.name} as it is under another name, and put a backup in its "
        "place. Without one, `pagefault export` saves what can still be read"
    )


def _tokenizers(ready: SetUp, in_use: Iterable[str]) -> Iterator[Finding]:
    for name in sorted({*in_use} - {ready.tokenizer()}):
        yield _tokenizer(ready, name, "existing workspaces")


def _new_tokenizer(ready: SetUp) -> Iterator[Finding]:
    yield _tokenizer(ready, ready.tokenizer(), "new workspaces")


def _tokenizer(ready: SetUp, name: str, used_by: str) -> Finding:
    folders = ready.folders
    try:
        tokenizer = open_tokenizer(name, folders.vocabularies, caches=folders.caches)
    except PagefaultError as error:
        return Finding("fail", "tokenizer", f"{name}, of {used_by}: {error.message}")
    if tokenizer.exact:
        return Finding("ok", "tokenizer", f"{name} for {used_by}: exact")
    errors = ", ".join(f"{kind} {ESTIMATE_ERROR[kind][0]:.0%}" for kind in _SHOWN_ERRORS)
    return Finding(
        "ok",
        "tokenizer",
        f"{name} for {used_by}: median error of a page {errors}",
        "For exact counts in new workspaces: pagefault vocabulary o200k_base",
    )


def _index(workspaces: list[WorkspaceFacts]) -> Iterator[Finding]:
    for place in workspaces:
        name = f"{place.id} of {place.principal}"
        size = f"{name}: {place.sessions:,} sessions, {place.pages:,} pages"
        if not place.index_current:
            yield Finding(
                "warn", "workspace", f"{size}; its index has another format: a server rebuilds it"
            )
        elif place.unindexed:
            yield Finding(
                "ok",
                "workspace",
                f"{size}; {place.unindexed:,} log lines are not indexed yet: the next search is",
            )
        else:
            yield Finding("ok", "workspace", f"{size}, indexed")


def _log(path: Path, *, sees_log: bool) -> Iterator[Finding]:
    log = path.with_name(path.name + "-wal")
    size = log.stat().st_size if log.exists() else 0
    if not sees_log:
        yield Finding(
            "warn",
            "write-ahead log",
            f"its {size:,} bytes cannot be read in this folder and were not checked",
            "Run doctor as the user who may write there",
        )
    elif size > _LOG_LIMIT:
        yield Finding(
            "warn",
            "write-ahead log",
            f"{size:,} bytes: a program keeps reading and holds it back",
            "End other programs that have the file open",
        )
    else:
        yield Finding("ok", "write-ahead log", f"{size:,} bytes")
    holder = lock_holder(path)
    found = f"held by {holder}, as while it writes" if holder else "free"
    yield Finding("ok", "write lock", found)


CHECKS: tuple[tuple[str, Check], ...] = (
    ("Python", _python),
    ("SQLite", _sqlite),
    ("images", _images),
    ("settings", _settings),
    ("data", _store),
    ("folder", _folder),
    ("permissions", _permissions),
    ("data file", _file),
    ("tokenizer", _new_tokenizer),
)
