"""What calls have taught, folded from lines: exact counts, bounded storage, exact snapshots."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagefault.procedures import experience as module
from pagefault.procedures.experience import Experience
from pagefault.procedures.features import of_goal
from pagefault.procedures.lines import Called, Fixed, Gone, Taught
from pagefault.procedures.patterns import EXAMPLES, PATTERNS
from pagefault.procedures.retrieval import Query, find_fixes, find_ways
from pagefault.procedures.ways import BAD, WAYS

names = st.sampled_from(["open", "edit", "test", "ls"])
events = st.integers(1, 30).map(lambda n: f"ev_{n}")
sigs = st.sampled_from([("~a:num+",), ("+b",), ("+b", "~a:replace"), ("-c",)])
terms = st.lists(st.integers(0, 20), max_size=5, unique=True).map(tuple)
times = st.floats(0, 1e9)

called = st.builds(
    Called,
    session=st.sampled_from(["s1", "s2"]),
    event=events,
    tool=names,
    call=st.sampled_from(["c1", "c2", "c3"]),
    ok=st.booleans(),
    keys=st.sampled_from([(), ("a",), ("a", "b")]),
    error=st.sampled_from(["", "timeout", "not_found"]),
    goal=terms,
    duration=st.none() | st.floats(0, 1e6),
    turn=st.integers(0, 3),
    at=times,
)
fixed = st.builds(
    Fixed,
    session=st.just("s1"),
    tool=names,
    failed=events,
    fixed=events,
    keys=st.just(("~a",)),
    sig=sigs,
    via=st.lists(names, max_size=2, unique=True).map(tuple),
    error=st.just("timeout"),
    features=terms,
    goal=terms,
    worked=st.booleans(),
    at=times,
)
gone = st.builds(Gone, st.lists(events, max_size=3).map(tuple))
lines = st.lists(st.one_of(called, called, fixed, gone), max_size=60)


def folded(lines: list[Taught], start: Experience | None = None) -> Experience:
    experience = start or Experience()
    for line in lines:
        experience.fold(line)
    return experience


def call(n: int, *, tool: str = "t", ok: bool = True, **more: object) -> Called:
    return Called("s", f"ev_{n}", tool, f"call{n}", ok, **more)  # type: ignore[arg-type]


def fix(n: int, sig: str = "~a:num+", tool: str = "t", **more: object) -> Fixed:
    keys = (sig.partition(":")[0],)
    return Fixed("s", tool, f"f_{n}", f"ev_{n}", keys, (sig,), **more)  # type: ignore[arg-type]


def restored(experience: Experience) -> Experience:
    again = Experience.from_json(experience.to_json())
    assert again is not None
    return again


@given(lines, lines)
@settings(deadline=None)
def test_a_snapshot_and_its_tail_give_what_all_lines_give(
    head: list[Taught], tail: list[Taught]
) -> None:
    whole = folded(head + tail)
    resumed = folded(tail, restored(folded(head)))
    assert resumed == whole
    assert resumed.to_json() == whole.to_json()


@given(lines, lines)
@settings(deadline=None)
def test_asking_in_between_changes_nothing_and_finds_what_a_fresh_fold_finds(
    head: list[Taught], tail: list[Taught]
) -> None:
    query = Query("open", {"a": 1, "c": 2}, "order 7 timed out", goal="order things")
    asked = folded(head)
    find_fixes(asked, query, 1e9)
    find_ways(asked, query)
    folded(tail, asked)
    fresh = folded(head + tail)
    assert asked == fresh
    assert find_fixes(asked, query, 1e9) == find_fixes(fresh, query, 1e9)
    assert find_ways(asked, query) == find_ways(fresh, query)


@given(lines)
@settings(deadline=None)
def test_counters_are_exact(lines: list[Taught]) -> None:
    experience = folded(lines)
    calls = [line for line in lines if isinstance(line, Called)]
    assert experience.calls == len(calls)
    for name, tool in experience.tools.items():
        own = [line for line in calls if line.tool == name]
        assert tool.counts.calls == len(own)
        assert tool.counts.ok == sum(line.ok for line in own)
        assert sum(tool.counts.errors.values()) == tool.counts.failed
        timed = [line.duration for line in own if line.duration is not None]
        assert tool.counts.spent == pytest.approx(sum(timed))


@given(lines, st.lists(events, max_size=5))
@settings(deadline=None)
def test_what_is_forgotten_is_shown_by_nothing(lines: list[Taught], lost: list[str]) -> None:
    experience = folded([*lines, Gone(tuple(lost))])
    text = json.dumps(json.loads(experience.to_json())[2:])
    assert not [event for event in lost if f'"{event}"' in text]
    assert experience.examples == sum(t.patterns.size for t in experience.tools.values())


def test_examples_of_a_tool_are_bounded_and_counts_are_not() -> None:
    experience = folded([fix(n) for n in range(EXAMPLES + 50)] + [fix(-1, "+rare")])
    patterns = experience.tools["t"].patterns
    assert patterns.size == EXAMPLES
    assert patterns.by_sig["~a:num+",].worked == EXAMPLES + 50
    assert len(patterns.by_sig["+rare",].examples) == 1


def test_examples_of_all_tools_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXAMPLES", 20)
    experience = folded([fix(n, tool=f"t{n % 3}") for n in range(100)])
    assert experience.examples == 20
    assert all(tool.patterns.size >= 6 for tool in experience.tools.values())


def test_tools_patterns_ways_and_bad_calls_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOOLS", 5)
    many = [call(n, tool=f"t{n}") for n in range(9)]
    assert list(folded(many).tools) == ["t4", "t5", "t6", "t7", "t8"]
    one = folded([call(n, ok=False, keys=(f"k{n}",)) for n in range(BAD + WAYS)]).tools["t"]
    assert len(one.ways.by_keys) == WAYS
    assert len(one.ways.bad) == BAD
    changes = folded([fix(n, f"+k{n}") for n in range(PATTERNS + 9)]).tools["t"].patterns
    assert len(changes.by_sig) == PATTERNS


def test_an_exact_call_that_failed_is_bad_until_it_works() -> None:
    experience = folded([call(1, ok=False, error="timeout"), call(1, ok=False, error="timeout")])
    assert experience.tools["t"].ways.bad["call1"].times == 2
    experience.fold(call(1))
    assert not experience.tools["t"].ways.bad


def test_one_success_after_several_failures_counts_once() -> None:
    lines = [fix(7, failed_event) for failed_event in ("~a:num+",) * 3]
    assert folded(list(lines)).tools["t"].patterns.by_sig["~a:num+",].worked == 1


def test_the_median_of_durations_is_about_right() -> None:
    lines = [call(n, duration=float(d)) for n, d in enumerate([*range(90, 111), 5000])]
    counts = folded(list(lines)).tools["t"].counts
    assert counts.median == pytest.approx(100, rel=0.15)
    assert folded([call(1), call(2, duration=100.0)]).tools["t"].counts.mean == 100.0


def test_a_snapshot_of_another_format_is_refused() -> None:
    rows = json.loads(Experience().to_json())
    assert Experience.from_json(json.dumps([rows[0] + 1, *rows[1:]])) is None


def test_a_goal_leaves_no_words() -> None:
    experience = folded([call(1, goal=of_goal("transfer the inheritance"))])
    assert "inheritance" not in experience.to_json()
