"""Many servers that record calls into one session at once: every result has its number."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.redis.driving import Stdio, stdio
from tests.redis.servers import Standalone, fresh_prefix

pytestmark = pytest.mark.anyio

PROCESSES = 8
CALLS = 6  # of each process


@pytest.fixture(params=["file", "redis"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A store that several processes can share."""
    if request.param == "file":
        yield str(tmp_path / "memory.db")
        return
    server: Standalone = request.getfixturevalue("redis_server")
    yield server.url(fresh_prefix())
    server.flush()


async def test_numbers_are_dense_and_no_result_is_lost_or_bound_twice(
    store_url: str, tmp_path: Path
) -> None:
    bound: dict[str, str] = {}

    async def work(server: Stdio, place: int) -> None:
        for number in range(CALLS):
            made = await server(
                "tool_record",
                session_id="shared",
                tool_name="lookup",
                arguments={"place": place, "number": number},
                result=f"{place} {number}",
                alias=[f"of_{place}_{number}"],
            )
            reference = made["binding"]["ref"]
            assert reference not in bound
            bound[reference] = f"{place} {number}"

    async with AsyncExitStack() as stack:
        servers = [
            await stack.enter_async_context(stdio(store_url, tmp_path)) for _ in range(PROCESSES)
        ]
        async with anyio.create_task_group() as tasks:
            for place, server in enumerate(servers):
                tasks.start_soon(work, server, place)
        total = PROCESSES * CALLS
        assert set(bound) == {f"$v{number}" for number in range(1, total + 1)}
        for server in servers:  # each of them knows what all have bound
            read = await _values(server, bound)
            assert read == bound
        stats = await servers[0]("session_stats", session_id="shared")
        assert stats["tool_calls"] == total
        record = await servers[-1]("procedure_search", session_id="shared", tool_name="lookup")
        (counted,) = [one for one in record["patterns"] if one["kind"] == "record"]
        assert (counted["worked"], counted.get("failed", 0)) == (total, 0)


async def _values(server: Stdio, bound: dict[str, str]) -> dict[str, Any]:
    """What every reference stands for, all of them resolved by one check."""
    answer = await server(
        "tool_check", session_id="shared", tool_name="sum", arguments={ref: ref for ref in bound}
    )
    assert answer["verdict"] != "block"
    return dict(answer["arguments"])
