"""What the contract suite shares. A new store is one more line in `store_url` of ../conftest.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
from tests.stores.making import Bench

from pagefault.stores.contract import Store

OpenStore = Callable[[], Store]


@pytest.fixture
async def bench(open_store: OpenStore) -> AsyncIterator[Bench]:
    store = open_store()
    yield await Bench.at(store)
    await store.close()
