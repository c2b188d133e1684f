"""The conversation that the demo replays, as it is shipped in resources/."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...base import assets
from ...base.clock import parse_time

Message = Mapping[str, Any]

_PAUSE = 2 * 3600  # seconds without a message that end a sitting


@dataclass(frozen=True, slots=True)
class Question:
    """A question, and words that stand in the one message that answers it."""

    question: str
    fragment: str


@dataclass(frozen=True, slots=True)
class Story:
    """Sittings in order, each with its messages in order, and what is asked at the end."""

    sittings: tuple[tuple[Message, ...], ...]
    questions: tuple[Question, ...]

    @property
    def messages(self) -> tuple[Message, ...]:
        """All messages in order."""
        return tuple(message for sitting in self.sittings for message in sitting)


def read_story() -> Story:
    """The shipped conversation."""
    messages = [json.loads(line) for line in assets.text("demo.jsonl").splitlines()]
    questions = [Question(**one) for one in json.loads(assets.text("demo_questions.json"))]
    return Story(split(messages), tuple(questions))


def split(messages: Iterable[Message]) -> tuple[tuple[Message, ...], ...]:
    """The messages, cut wherever two hours passed without one."""
    sittings: list[list[Message]] = []
    before = 0.0
    for message in messages:
        at = parse_time(message["created_at"])
        if not sittings or at - before > _PAUSE:
            sittings.append([])
        sittings[-1].append(message)
        before = at
    return tuple(map(tuple, sittings))
