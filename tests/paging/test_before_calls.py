"""Which pages are read before a tool is called with success."""

from __future__ import annotations

from pagefault.base.log import Called, Faulted, LogLine, Operation
from pagefault.paging.before_calls import BeforeCalls
from pagefault.paging.lately import Lately


def test_a_page_that_is_read_before_most_of_a_tools_calls_is_named() -> None:
    before = BeforeCalls()
    for turn in range(1, 5):
        before.called("s", turn, "deploy", ["claim_1", f"msg_{turn}"])
    before.called("s", 4, "test", ["msg_9"])
    assert before.pages(["deploy"]) == ["claim_1"]
    assert before.pages(["test"]) == []  # once is no habit
    assert before.pages(["unheard"]) == []


def test_further_calls_of_a_turn_teach_nothing_more() -> None:
    before = BeforeCalls()
    before.called("s", 1, "deploy", ["claim_1"])
    before.called("s", 1, "deploy", ["claim_1"])
    assert before.pages(["deploy"]) == []


def test_a_page_read_for_few_of_many_calls_is_not_named() -> None:
    before = BeforeCalls()
    for turn in range(1, 10):
        before.called("s", turn, "deploy", ["claim_1"] if turn < 4 else [])
    assert before.pages(["deploy"]) == []


def test_the_tools_in_play_are_those_of_this_turn_and_the_one_before() -> None:
    before = BeforeCalls()
    for turn, tool in ((1, "old"), (4, "deploy"), (5, "test"), (5, "deploy")):
        before.called("s", turn, tool, [])
    before.called("other", 5, "elsewhere", [])
    assert before.in_play("s", 5) == ["deploy", "test"]


def test_the_log_tells_what_was_read_before_a_call() -> None:
    lately = Lately(0)

    def say(turn: int, operation: Operation) -> None:
        lately.fold(LogLine(lately.reached + 1, 0.0, "t", 1, turn, operation))

    for turn in (2, 5):
        say(turn, Faulted(session="s", page_id="claim_1", reason="speculative", tokens=1))
        call = Called(
            session="s", event_id="e", tool="deploy", call="c", answer="a", ok=True, door="d"
        )
        say(turn + 1, call)
    assert lately.before_calls.pages(["deploy"]) == ["claim_1"]
