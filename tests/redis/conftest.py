"""What the tests of the Redis store share: stores that are closed, and a bad network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.redis.proxy import Proxy
from tests.redis.servers import Standalone

from pagefault.stores.opening import Options, opener
from pagefault.stores.redis import RedisStore

OpenRedis = Callable[..., RedisStore]


@pytest.fixture
async def open_redis(tmp_path: Path) -> AsyncIterator[OpenRedis]:
    """Opens the store at a URL, with `Options` by name; each is closed after the test."""
    opened: list[RedisStore] = []

    def open_at(url: str, **options: Any) -> RedisStore:
        store = opener(url, Options(**{"folder": tmp_path, **options}))()
        assert isinstance(store, RedisStore)
        opened.append(store)
        return store

    yield open_at
    for store in opened:
        await store.close()


@pytest.fixture
def proxy(redis_server: Standalone) -> Iterator[Proxy]:
    """The network before the server of all tests; what they have written is deleted."""
    with Proxy(redis_server.port) as between:
        yield between
    redis_server.flush()
