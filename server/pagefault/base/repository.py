"""Which repository a folder belongs to: what makes one project's memory its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_LINE = 4096  # bytes of a .git file or of commondir


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository: a name for people, and the canonical path of its common directory.

    All worktrees of a repository share the common directory, and so one memory.
    """

    name: str
    fingerprint: str


def find_repository(folder: Path) -> Repository | None:
    """The repository around ``folder``, found without running git."""
    try:
        start = folder.resolve()
    except OSError:
        return None
    for place in (start, *start.parents):
        common = _common_directory(place / ".git")
        if common is not None:
            name = common.parent.name if common.name == ".git" else common.stem
            return Repository(name or "repository", str(common))
    return None


def _common_directory(git: Path) -> Path | None:
    try:
        if git.is_dir():
            return _shared(git) if (git / "HEAD").exists() else None
        if not git.is_file():
            return None
        kind, _, target = git.read_text(encoding="utf-8")[:_LINE].partition(":")
        return _shared((git.parent / target.strip()).resolve()) if kind == "gitdir" else None
    except (OSError, UnicodeDecodeError):
        return None


def _shared(directory: Path) -> Path:
    """Where a worktree's ``commondir`` points, else the directory itself."""
    pointer = directory / "commondir"
    if pointer.is_file():
        return (directory / pointer.read_text(encoding="utf-8")[:_LINE].strip()).resolve()
    return directory.resolve()
