"""The text that the server publishes, from a checkout, an editable install or a wheel."""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parents[1]


def path(name: str) -> Path:
    """Where the resource ``name``, such as ``rules/strict.md``, lies.

    Raises:
        FileNotFoundError: when the installation has no resources folder.
    """
    for folder in (_HERE / "resources", _HERE.parents[1] / "resources"):
        if folder.is_dir():
            return folder / name
    message = f"no resources folder beside {_HERE}: reinstall pagefault"
    raise FileNotFoundError(message)


def text(name: str) -> str:
    """The resource's text, without a trailing newline."""
    return path(name).read_text(encoding="utf-8").rstrip("\n")
