"""From a store's URL to the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from pagefault.base.errors import InvalidArgument
from pagefault.stores.opening import Options, opener, sqlite_path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite://:memory:", None),
        ("sqlite:///:memory:", None),
        ("sqlite:///tmp/memory.db", Path("/tmp/memory.db")),
        ("sqlite:////tmp/memory.db", Path("/tmp/memory.db")),
        ("sqlite:///C:/Users/me/memory.db", Path("C:/Users/me/memory.db")),
        ("sqlite://memory.db", Path("memory.db")),
        ("/tmp/with space.db", Path("/tmp/with space.db")),
        ("relative.db", Path("relative.db")),
    ],
)
def test_a_url_names_a_file(url: str, path: Path | None) -> None:
    assert sqlite_path(url) == path


def test_a_path_may_begin_at_home() -> None:
    assert sqlite_path("~/memory.db") == Path.home() / "memory.db"


def test_a_store_that_there_is_not_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(InvalidArgument, match=r"postgres.*sqlite://"):
        opener("postgres://host/db", Options())


def test_nothing_is_opened_before_it_is_asked_for(tmp_path: Path) -> None:
    opener(str(tmp_path / "memory.db"), Options())
    assert list(tmp_path.iterdir()) == []
