"""What the contract suite shares. The stores that it runs against are those of ../conftest.py."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.redis.servers import with_fresh_prefix
from tests.stores.making import Bench

from pagefault.stores.contract import Store
from pagefault.stores.opening import Options, opener

OpenStore = Callable[[], Store]


@pytest.fixture
async def bench(open_store: OpenStore) -> AsyncIterator[Bench]:
    store = open_store()
    yield await Bench.at(store)
    await store.close()


@pytest.fixture
def another_store(store_url: str, tmp_path: Path) -> OpenStore:
    """Opens an empty store of the same kind, a new one each time."""
    numbers = itertools.count()

    def open_empty() -> Store:
        if "prefix=" in store_url:
            url = with_fresh_prefix(store_url)
        elif store_url == "sqlite://:memory:":
            url = store_url
        else:
            url = str(tmp_path / f"other-{next(numbers)}.db")
        return opener(url, Options(synced=False, folder=tmp_path))()

    return open_empty
