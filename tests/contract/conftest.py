"""What the contract suite shares. A new store is one more line in `store_url` of ../conftest.py."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.stores.making import Bench

from pagefault.stores.contract import Store
from pagefault.stores.opening import opener

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
        lasting = store_url != "sqlite://:memory:"
        url = str(tmp_path / f"other-{next(numbers)}.db") if lasting else store_url
        return opener(url, synced=False)()

    return open_empty
