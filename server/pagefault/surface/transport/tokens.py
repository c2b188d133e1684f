"""The bearer token file: who may come in over HTTP.

One token a line, ``principal sha256:<64 hex digits>``; blank lines and lines that begin with ``#``
are comments. A principal may have several tokens. Only hashes are kept, so the file tells nobody
how to get in; a plain hash is enough because tokens are drawn, not chosen (see ``new_token``).
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._@-]{0,127})\s+sha256:([0-9a-fA-F]{64})")


class TokenFileError(ValueError):
    """The token file cannot be used; nobody is let in by it."""


def new_token() -> str:
    """A fresh bearer token with 256 bits of randomness, safe in headers and URLs."""
    return "pf_" + secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """What the token file holds for ``token``: its SHA-256 as 64 lower-case hex digits."""
    return hashlib.sha256(token.encode()).hexdigest()


def load_tokens(path: Path) -> Mapping[str, str]:
    """The principal for each token's hash.

    Raises:
        TokenFileError: when the file is missing, open to other users, malformed or empty.
    """
    try:
        _refuse_open_file(path, path.stat())
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"the token file {path} cannot be read: {error}. Check its path and its owner."
        raise TokenFileError(message) from None
    tokens = _parse(path, text)
    if not tokens:
        message = f"the token file {path} holds no token, so nobody could come in. Add a line."
        raise TokenFileError(message)
    return tokens


class TokenFile:
    """A token file that is read again when it changes, so that tokens come and go while serving."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._tokens = load_tokens(path)

    def principal(self, token: str) -> str | None:
        """The owner of ``token``, or None. Compares with every hash, each in constant time.

        Raises:
            TokenFileError: when the file has changed and cannot be used any more: the tokens read
                before may have been revoked, so they no longer count.
        """
        self._refresh()
        digest = hash_token(token)
        owner = None
        for known, principal in self._tokens.items():
            if hmac.compare_digest(known, digest):
                owner = principal
        return owner

    def _refresh(self) -> None:
        stamp = _stamp(self._path)
        if stamp != self._stamp:
            self._tokens = load_tokens(self._path)
            self._stamp = stamp


def _stamp(path: Path) -> tuple[int, ...]:
    """What changes when somebody edits, replaces or opens up the file; empty when it is gone."""
    try:
        seen = path.stat()
    except OSError:
        return ()
    return seen.st_mtime_ns, seen.st_size, seen.st_ino, seen.st_mode


def _refuse_open_file(path: Path, seen: os.stat_result) -> None:
    if not stat.S_ISREG(seen.st_mode):
        message = f"the token file {path} is not a regular file. Name a file."
        raise TokenFileError(message)
    if os.name == "posix" and seen.st_mode & (stat.S_IROTH | stat.S_IWOTH):
        message = (
            f"the token file {path} is open to every user of this machine "
            f"(mode {stat.S_IMODE(seen.st_mode):04o}). Close it: chmod 600 {path}"
        )
        raise TokenFileError(message)


def _parse(path: Path, text: str) -> dict[str, str]:
    tokens: dict[str, str] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise _bad_line(path, number, "is not `principal sha256:<64 hex digits>`")
        principal, digest = match[1], match[2].lower()
        if tokens.setdefault(digest, principal) != principal:
            raise _bad_line(path, number, "gives one principal's token to another principal")
    return tokens


def _bad_line(path: Path, number: int, fault: str) -> TokenFileError:
    """Never quotes the line: it may hold a token by mistake."""
    return TokenFileError(f"line {number} of the token file {path} {fault}. Correct that line.")
