"""What survives at each level: ``python -m tests.measuring.levels DATA`` with the evaluation data.

Three kinds of pages: single turns of LoCoMo, its sessions as one page each, and the messages of
recorded agents. Of each it is known what was needed from them later: of LoCoMo the words of the
answers that stand in a question's evidence, of agents the values of arguments of later calls.
Counted is the share of these that a level still has, and of the questions (or pages) the share that
lost nothing. Beside it the same for the page cut off at as many tokens.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pagefault.base.page import Page
from pagefault.base.tokens import Tokenizer, open_tokenizer
from pagefault.paging.levels import Source, compute

_AROUND = 16  # pages that a stub is told apart from
_WORD = re.compile(r"[^\W_]+(?:['’.,:-][^\W_]+)*")
_LEAST = 3  # letters of a word that is looked for, unless it is a number
_NAMES = {1: "REDUCED", 2: "ABSTRACT", 3: "REFERENCE"}


@dataclass(frozen=True, slots=True)
class Needed:
    """A page, what is needed of it, each list by itself, and the texts around it."""

    text: str
    wanted: Sequence[Sequence[str]]
    around: Sequence[str] = ()
    name: str | None = None
    modality: str = "text"


@dataclass(slots=True)
class Kept:
    """Tallies of one level of one kind of pages."""

    pages: int = 0
    before: int = 0
    after: int = 0
    wanted: int = 0
    found: int = 0
    cut_found: int = 0
    asked: int = 0
    whole: int = 0
    cut_whole: int = 0
    seconds: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        wanted, asked = max(self.wanted, 1), max(self.asked, 1)
        return (
            f"{self.pages:,} pages · 1:{self.before / max(self.after, 1):.1f} · "
            f"{self.found / wanted:.3f} | {self.cut_found / wanted:.3f} · "
            f"{self.whole / asked:.3f} | {self.cut_whole / asked:.3f} · "
            f"{1000 * max(self.seconds, default=0):.0f} ms"
        )


def measure(pages: Iterable[Needed], tokenizer: Tokenizer) -> dict[int, Kept]:
    """Every level of every page that has it."""
    kept = {level: Kept() for level in _NAMES}
    for needed in pages:
        above = tokenizer.count(needed.text)
        page = _page(needed, above)
        source = Source(page, needed.text, tokenizer.count, None, needed.around)
        for level, tally in kept.items():
            began = time.perf_counter()
            made = compute(source, level, above)
            tally.seconds.append(time.perf_counter() - began)
            if made is not None:
                above = made.tokens
                tally.pages += 1
                tally.before += page.tokens
                tally.after += made.tokens
                _tally(tally, needed, made.text, tokenizer.clip(needed.text, made.tokens))
    return kept


def _tally(tally: Kept, needed: Needed, short: str, cut: str) -> None:
    short, cut = short.casefold(), cut.casefold()
    for wanted in needed.wanted:
        found = sum(_has(short, word) for word in wanted)
        cut_found = sum(_has(cut, word) for word in wanted)
        tally.wanted += len(wanted)
        tally.found += found
        tally.cut_found += cut_found
        tally.asked += 1
        tally.whole += found == len(wanted)
        tally.cut_whole += cut_found == len(wanted)


def _has(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None


def _page(needed: Needed, tokens: int) -> Page:
    return Page(
        page_id="msg_1",
        page_type="transcript",
        modality=needed.modality,
        session="s",
        version=1,
        content=1,
        tokens=tokens,
        size=len(needed.text),
        importance=0.5,
        source="user",
        trust=3,
        recorded_at=0.0,
        role="user",
        name=needed.name,
    )


def turns(conversations: Sequence[dict[str, Any]]) -> Iterator[Needed]:
    """Every turn that is evidence for a question, as a page of its own."""
    for conversation in conversations:
        said = [turn for session in _sessions(conversation) for turn in session]
        place = {turn["dia_id"]: index for index, turn in enumerate(said)}
        wanted = _wanted(conversation, {turn["dia_id"]: turn["text"] for turn in said})
        for name, words in wanted.items():
            turn = said[place[name]]
            before = said[max(0, place[name] - _AROUND) : place[name]]
            around = [other["text"] for other in before]
            yield Needed(turn["text"], words, around, turn["speaker"])


def sessions(conversations: Sequence[dict[str, Any]]) -> Iterator[Needed]:
    """Every session as one page, a turn a line."""
    for conversation in conversations:
        texts, wanted = [], []
        for session in _sessions(conversation):
            lines = {turn["dia_id"]: f"{turn['speaker']}: {turn['text']}" for turn in session}
            texts.append("\n".join(lines.values()))
            wanted.append([w for words in _wanted(conversation, lines).values() for w in words])
        for index, text in enumerate(texts):
            yield Needed(text, wanted[index], texts[max(0, index - _AROUND) : index])


def messages(conversations: Iterable[dict[str, Any]]) -> Iterator[Needed]:
    """What users and tools told an agent, and which of it the agent's later calls name."""
    for conversation in conversations:
        said = conversation["messages"]
        for index, message in enumerate(said):
            text = message.get("content")
            if message["role"] in ("user", "tool") and isinstance(text, str):
                values = {value for later in said[index + 1 :] for value in _arguments(later)}
                used = sorted(value for value in values if _has(text.casefold(), value))
                modality = "structured" if text[:1] in "{[" and _is_json(text) else "text"
                yield Needed(text, [used] if used else [], (), None, modality)


def _sessions(conversation: dict[str, Any]) -> list[list[dict[str, Any]]]:
    talk = conversation["conversation"]
    numbers = sorted(int(key[8:]) for key in talk if re.fullmatch(r"session_\d+", key))
    return [talk[f"session_{number}"] for number in numbers]


def _wanted(conversation: dict[str, Any], texts: dict[str, str]) -> dict[str, list[list[str]]]:
    """Per evidence, for each question: the words of its answer that the text has."""
    wanted: dict[str, list[list[str]]] = {}
    for question in conversation["qa"]:
        words = _words(str(question.get("answer", "")))
        for name in question.get("evidence", ()):
            there = [word for word in words if name in texts and _has(texts[name].casefold(), word)]
            if there:
                wanted.setdefault(name, []).append(there)
    return wanted


def _words(answer: str) -> list[str]:
    found = dict.fromkeys(match[0].casefold() for match in _WORD.finditer(answer))
    return [word for word in found if len(word) >= _LEAST or word.isdigit()]


def _arguments(message: dict[str, Any]) -> Iterator[str]:
    for call in message.get("tool_calls") or ():
        given = call.get("function", call).get("arguments", {})
        yield from _leaves(json.loads(given) if isinstance(given, str) else given)


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str | int | float) and len(str(value)) >= _LEAST:
        yield str(value).casefold()


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.open(path, "rt", encoding="utf-8")]


def main() -> None:
    """Print one line a level for each kind of pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="the folder that holds locomo/ and tools/")
    data = parser.parse_args().data
    tokenizer = open_tokenizer("estimate", data)
    locomo = json.loads(gzip.decompress((data / "locomo/dev.json.gz").read_bytes()))
    kinds = {
        "LoCoMo turns": turns(locomo),
        "LoCoMo sessions": sessions(locomo),
        "tau messages": messages(_rows(data / "tools/tau_conversations.jsonl.gz")[::5]),
        "livemcp messages": messages(_rows(data / "tools/livemcp_conversations.jsonl.gz")),
    }
    print(
        "level: pages · ratio · needed words kept | by cutting · nothing lost | by cutting · worst"
    )
    for name, pages in kinds.items():
        print(name)
        for level, kept in measure(pages, tokenizer).items():
            print(f"  {_NAMES[level]}: {kept}")


if __name__ == "__main__":
    main()
