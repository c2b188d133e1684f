"""Numbers for whoever watches: memory://metrics, /metrics, and what session_stats says."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client
from tests.conftest import PLACE, MakeMemory
from tests.surface.test_http import serving

from pagefault.surface.app import build_server
from pagefault.surface.metrics import MIME_TYPE, metrics
from pagefault.surface.transport.tokens import hash_token

pytestmark = pytest.mark.anyio

Ask = Callable[..., Awaitable[dict[str, Any]]]
Refuse = Callable[..., Awaitable[str]]
HERE = {"session_id": "s"}
SAMPLE = re.compile(r'[a-z_]+(\{([a-z]+="(\\.|[^"\\\n])*",?)+\})? [0-9.e+-]+')


async def told(client: Client) -> str:
    (content,) = (await client.read_resource("memory://metrics")).contents
    assert content.mime_type == MIME_TYPE
    return str(content.text)  # type: ignore[union-attr]


def value(text: str, name: str) -> float:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.rpartition(" ")[2])


async def lived(ask: Ask) -> None:
    await ask("page_write", content="The harbour password is heron.", **HERE)
    await ask("page_evict", page_ids=["claim_1"], **HERE)
    await ask("session_record", events=[{"role": "user", "content": "hi"}], **HERE)
    await ask("context_build", message="harbour password?", **HERE)
    await ask("page_fault", page_id="claim_1", **HERE)
    await ask("search_pages", query="heron", **HERE)
    await ask("search_pages", query="qqqq", **HERE)


async def test_the_text_is_openmetrics(client: Client, ask: Ask) -> None:
    await lived(ask)
    text = await told(client)
    *lines, end = text.splitlines()
    assert (end, text[-1]) == ("# EOF", "\n")
    named = ""
    for line in lines:
        if line.startswith("# TYPE "):
            _, _, named, kind = line.split(" ")
            assert kind in ("counter", "gauge", "info")
        elif line.startswith("# HELP "):
            assert line.split(" ")[2] == named
        else:
            assert SAMPLE.fullmatch(line), line
            assert line.startswith(named)


async def test_calls_searches_and_prefetches_are_counted(
    client: Client, ask: Ask, refuse: Refuse
) -> None:
    await lived(ask)
    await refuse("page_fault", page_id="msg_99", **HERE)
    text = await told(client)
    assert value(text, 'pagefault_calls_total{tool="page_fault",outcome="ok"}') == 1
    assert value(text, 'pagefault_calls_total{tool="page_fault",outcome="page_not_found"}') == 1
    assert value(text, 'pagefault_searches_total{found="true"}') == 1
    assert value(text, 'pagefault_searches_total{found="false"}') == 1
    assert value(text, 'pagefault_pages{workspace="default"}') == 2
    assert value(text, 'pagefault_packs_total{again="false"}') == 1


async def test_stats_tell_faults_by_reason_prefetches_and_pressure(ask: Ask) -> None:
    await lived(ask)
    stats = await ask("session_stats", **HERE)
    assert stats["prefetch"] == {"pages": 1, "hits": 1, "waste": 0, "unread": 0}
    assert (stats["faults"]["by_reason"], stats["faults"]["hits"]) == ({}, 1)
    assert stats["faults"]["hit_rate"] == 1.0
    assert stats["pressure"] == {"level": "low"}
    assert stats["working_set"]["evictions"] == 1
    assert stats["working_set"]["active_tokens"] == stats["working_set"]["tokens"]


async def test_stats_name_the_pins_when_these_press(ask: Ask) -> None:
    await ask("session_start", budget_tokens=100, **HERE)
    await ask("page_write", content="word " * 44, pinned=True, **HERE)
    stats = await ask("session_stats", **HERE)
    assert stats["pressure"]["level"] in ("high", "critical")
    assert stats["pressure"]["causes"][0].startswith("pins hold ")


async def test_room_for_tool_schemas_is_reserved(ask: Ask, refuse: Refuse) -> None:
    events = [{"role": "user", "content": f"line {n}: {'word ' * 20}"} for n in range(40)]
    await ask("session_record", events=events, **HERE)
    built = await ask("context_build", budget_tokens=1_500, reserve_tokens=600, **HERE)
    assert built["tokens"] <= 900
    text = await refuse("context_build", budget_tokens=1_500, reserve_tokens=1_500, **HERE)
    assert text.startswith("invalid_argument: reserve_tokens is 1500")


# --- over HTTP ---------------------------------------------------------------------------------


async def test_metrics_over_http_are_those_of_the_token_and_of_nobody_else(
    make_memory: MakeMemory, tmp_path: Any
) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text(
        f"anna sha256:{hash_token('anna-token')}\nbert sha256:{hash_token('bert-token')}\n"
    )
    tokens.chmod(0o600)
    memory = make_memory()
    server = build_server(memory, PLACE)

    async def tell(principal: str) -> str:
        return await metrics(memory, principal)

    async with (
        serving(server, token_file=tokens, metrics=tell) as url,
        httpx2.AsyncClient() as http,
    ):
        place = url.replace("/mcp", "/metrics")
        memory.counts["anna"].called("page_write", "ok", 1.0)
        refused = await http.get(place)
        wrong = await http.get(place, headers={"Authorization": "Bearer no"})
        elsewhere = await http.get(
            place, headers={"Authorization": "Bearer anna-token", "Host": "evil.example"}
        )
        anna = await http.get(place, headers={"Authorization": "Bearer anna-token"})
        bert = await http.get(place, headers={"Authorization": "Bearer bert-token"})
        posted = await http.post(place, headers={"Authorization": "Bearer bert-token"})
    assert [refused.status_code, wrong.status_code, elsewhere.status_code] == [401, 401, 421]
    assert (anna.status_code, anna.headers["content-type"]) == (200, MIME_TYPE)
    assert 'tool="page_write"' in anna.text
    assert (bert.status_code, 'tool="page_write"' in bert.text) == (200, False)
    assert posted.status_code == 405


async def test_metrics_that_cannot_be_told_are_a_503_that_tells_nothing() -> None:
    async def fails(principal: str) -> str:
        raise OSError(principal)

    with anyio.fail_after(10):
        async with serving(metrics=fails) as url, httpx2.AsyncClient() as http:
            answer = await http.get(url.replace("/mcp", "/metrics"))
    assert (answer.status_code, answer.text) == (503, "unavailable")
