"""`pagefault demo`, as the README promises it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pagefault.cli.demo.story import read_story, split


def test_the_demo_shows_what_it_says_within_twenty_seconds(child: Callable[..., Any]) -> None:
    began = time.monotonic()
    done = child("demo", PYTHONIOENCODING="ascii", PAGEFAULT_TOOLS="paging")  # a poor terminal
    assert time.monotonic() - began < 20
    assert done.code == 0, done.err + done.out
    for shown in (
        "a window of 3,000 tokens",
        "A team's chat is recorded: 347 messages",
        "page_fault msg_2: said 345 messages ago",
        "Word for word.",
        "answers are among the first 5 results",
        "context_build",
        "need not be resent",
    ):
        assert shown in done.out
    assert "\x1b" not in done.out
    assert "did not hold" not in done.out


def test_a_pause_of_hours_begins_a_new_sitting() -> None:
    times = ["2026-03-02T11:00:00Z", "2026-03-02T12:59:00Z", "2026-03-02T15:00:00Z"]
    sittings = split([{"role": "user", "content": at, "created_at": at} for at in times])
    assert [len(sitting) for sitting in sittings] == [2, 1]


def test_every_question_of_the_demo_is_answered_by_exactly_one_message() -> None:
    story = read_story()
    assert len(story.messages) == 347
    for question in story.questions:
        answers = [one for one in story.messages if question.fragment in one["content"]]
        assert len(answers) == 1, question
