"""GET /health of a real server, while its Redis goes away and comes back."""

from __future__ import annotations

from pathlib import Path

import anyio
import httpx2
import pytest
from tests.redis.driving import http
from tests.redis.proxy import Proxy
from tests.redis.servers import fresh_prefix

pytestmark = pytest.mark.anyio

PATIENT = 20  # seconds where only a failure takes long


async def health(client: httpx2.AsyncClient, url: str, wanted: int) -> dict[str, object]:
    """What is said when it is said with that status, which takes as long as an answer is kept."""
    with anyio.fail_after(PATIENT):
        while True:
            answer = await client.get(url)
            if answer.status_code == wanted:
                said: dict[str, object] = answer.json()
                return said
            await anyio.sleep(0.05)


@pytest.mark.parametrize("way", ["drop", "black_hole"])
async def test_a_server_whose_redis_is_away_says_so_and_when_it_is_back(
    proxy: Proxy, tmp_path: Path, way: str
) -> None:
    store = f"redis://127.0.0.1:{proxy.port}?prefix={fresh_prefix()}"
    async with http(1, store, tmp_path) as (server,), httpx2.AsyncClient(timeout=10) as client:
        url = server.url.replace("/mcp", "/health")
        assert await health(client, url, 200) == {"status": "ok"}
        getattr(proxy, way)()
        said = await health(client, url, 503)
        assert said == {"status": "error", "reason": "store_unavailable"}
        proxy.forward()
        assert await health(client, url, 200) == {"status": "ok"}
