"""The programs that measure run, and give what the README shows of them."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import pytest
from tests.measuring import (
    calls,
    forks,
    long_conversation,
    replay_calls,
    round_trips,
    storage,
    working_set,
)
from tests.measuring.conversations import TALKS, turns
from tests.measuring.filling import LENGTH, memory_at, texts, workspace_in

from pagefault.calls.core import Calls
from pagefault.guards.presets import DEFAULT

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]
FIGURES = re.compile(r"[\d,]+/s · \d+\.\d+ / \d+\.\d+")


async def test_the_storage_table_has_a_figure_for_every_store_and_operation(
    redis_program: Path,
) -> None:
    text = storage.table(await storage.measure(100, 1, redis_program))
    heading, _, *rest = text.splitlines()
    rows = [line for line in rest if line.startswith("|")]
    assert [row.split(" | ")[0].strip("| ") for row in rows] == [
        "`:memory:`",
        "file, `--durability normal`",
        "file",
        "Redis, `appendfsync everysec`",
        "Redis, `appendfsync always`",
    ]
    for row in rows:
        figures = row.strip("| ").split(" | ")[1:]
        assert len(figures) == len(storage.OPERATIONS) == heading.count(" | ")
        assert all(FIGURES.fullmatch(figure) for figure in figures), row


async def test_a_large_working_set_is_measured_with_all_its_pages_mapped(tmp_path: Path) -> None:
    await working_set.prepare(tmp_path, pages=60, mapped=20)
    figures = await working_set.measure(tmp_path, pages=60, rounds=10)
    assert figures.pop("pages mapped") == 20
    assert all(value > 0 for value in figures.values())


async def test_calls_are_measured_among_as_many_as_were_recorded(tmp_path: Path) -> None:
    await calls.prepare(tmp_path, 120, 50)
    figures = await calls.measure(tmp_path, rounds=5)
    assert all(0 < usual <= most for usual, most in figures.values())
    async with memory_at(f"sqlite:///{tmp_path / 'memory.db'}", tmp_path) as memory:
        workspace = await workspace_in(memory)
        assert len(await memory.store.sessions(workspace, 10)) == 3
        known = await Calls(memory, DEFAULT).learning.experience(workspace)
    assert known.calls == 120 + 5
    assert known.examples > 0
    assert calls.sync_takes(tmp_path, rounds=3) > 0


async def test_a_recorded_trace_is_replayed_call_by_call_with_what_was_said(tmp_path: Path) -> None:
    whole = '{"order": "W3734088", "items": ["B-77120", "B-77121"]}'
    said = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "what is in order W3734088?"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "name": "look"}]},
        {"role": "tool", "tool_call_id": "c1", "content": whole},
    ]
    made = [
        {"tool": "look", "arguments": {"id": "W3734088"}, "success": True, "result": whole[:20]},
        {"tool": "item", "arguments": {"id": "B-77121"}, "success": True, "result": "a lamp"},
        {"tool": "item", "arguments": {"id": "Z-99999"}, "success": False, "result": "unknown"},
    ]
    async with memory_at("sqlite://:memory:", tmp_path) as memory:
        workspace = await workspace_in(memory)
        replayed = replay_calls.replay(Calls(memory, DEFAULT), workspace, "trace", made, said)
        verdicts = [checked.judgement.verdict async for _, checked in replayed]
        stats = await memory.store.session(workspace, "trace")
    assert verdicts == ["allow", "allow", "warn"]
    assert stats is not None
    assert (stats.tool_calls, stats.bindings) == (3, 2)


async def test_a_store_that_is_too_small_to_measure_in_is_refused(redis_program: Path) -> None:
    with pytest.raises(ValueError, match="10 pages are too few: 1 rounds read 75"):
        await storage.measure(10, 1, redis_program)


def test_the_readmes_storage_table_is_one_that_was_measured() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    columns = " | ".join(["store", *(column for column, *_ in storage.OPERATIONS)])
    assert f"| {columns} |" in readme
    assert readme.count("/s · ") == 5 * len(storage.OPERATIONS)


async def test_a_call_goes_to_redis_no_oftener_than_the_readme_says(redis_program: Path) -> None:
    asked = await round_trips.measure(redis_program, repeats=5)
    most = {
        "page_fault, not mapped": (2, 1),
        "page_write": (1, 1),
        "session_record": (1, 1),
        "search_pages": (2, 0),
        "context_build, nothing new": (3, 0),
    }
    for name, (before, behind) in most.items():
        usual = asked[name].usual()
        assert 0 < usual[0] <= before, name
        assert usual[1] <= behind, name


async def test_the_program_that_measures_forks_has_a_figure_for_each_row(tmp_path: Path) -> None:
    figures = await forks.measure(300, 2, tmp_path)
    assert len(figures) == 7
    assert all(0 < usual <= most for usual, most in figures.values())
    assert forks.table(figures).count("|\n") == 8


def test_texts_to_measure_with_are_alike_in_length_and_never_the_same() -> None:
    some = list(islice(texts(), 200))
    assert {len(text) for text in some} == {LENGTH}
    assert len(set(some)) == 200


@pytest.mark.parametrize("language", TALKS)
def test_a_long_conversation_asks_late_for_every_decision_it_made_early(language: str) -> None:
    talk = TALKS[language]
    said = list(turns(talk, 300))
    assert len(said) == 300
    made = [place for place, turn in enumerate(said) if turn.said is not None]
    asked = [place for place, turn in enumerate(said) if turn.asked is not None]
    assert len(made) == len(asked) == len(talk.decisions) == 10
    assert max(made) < 120 < 290 <= min(asked)
    assert {said[place].asked for place in asked} == set(range(10))


async def test_the_reader_of_a_long_conversation_finds_what_was_written_as_a_claim() -> None:
    outcome = await long_conversation.converse(TALKS["English"], claims=True, count=60)
    assert outcome.asked == 10
    assert outcome.answered >= 0.9
    assert max(outcome.faults) <= 2
    assert "| claims | " in long_conversation.table({"claims": [outcome]})
