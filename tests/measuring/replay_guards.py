"""Every successful recorded trace, call by call past the guards: how often one would be stopped.

  python tests/measuring/replay_guards.py DATA [--preset default] [--show]

DATA: the folder of recorded traces. A call is checked as `tool_check` does it, then recorded with
what really came of it. Values are grounded in the conversation where there is one.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pagefault.base.call import Call, Outcome
from pagefault.guards.fold import Judgement, judge
from pagefault.guards.guard import Question
from pagefault.guards.known import Known, Source
from pagefault.guards.past import Past, step
from pagefault.guards.presets import PRESETS
from pagefault.guards.rules import Rules

Row = dict[str, Any]
SOURCES: dict[str, Source] = {"system": "rule", "user": "user", "tool": "result"}
SUCCESSFUL = {
    "tau": ("reward1",),
    "swe_agent": ("resolved", "submitted"),
    "swe_hashed": ("resolved",),
    "livemcp": ("all",),
}


def rows(data: Path, name: str) -> list[Row]:
    with gzip.open(data / "tools" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def traces(data: Path, source: str) -> dict[str, list[Row]]:
    """The calls of each trace that ended well."""
    ended = {
        row["trace_id"]: row["outcome"]
        for row in rows(data, "loop_labels")
        if row["source"] == source
    }
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows(data, source):
        if ended[row["trace_id"]] in SUCCESSFUL[source]:
            found[row["trace_id"]].append(row)
    return found


def messages(data: Path, source: str) -> dict[str, list[Row]]:
    """The conversation of each trace, where it was kept."""
    if source not in ("tau", "livemcp"):
        return {}
    system = {row["sha1"]: row["content"] for row in rows(data, f"{source}_system")}
    found = {}
    for row in rows(data, f"{source}_conversations"):
        found[row["trace_id"]] = row["messages"]
        for message in row["messages"]:
            if message["role"] == "system":
                message["content"] = system.get(str(message["content"])[5:], "")
    return found


def told(known: Known, message: Row) -> None:
    """Take a message into what is known."""
    content = message["content"]
    text = content if isinstance(content, str) else json.dumps(content)
    if message["role"] in SOURCES:
        known.tell(text, SOURCES[message["role"]])
    else:
        known.mention(text)


def grounds(conversation: list[Row], calls: list[Row], past: Past) -> Iterator[Known | None]:
    """What was known before each call; None where the conversation does not tell."""
    known, made = Known(), iter(calls)
    for message in conversation:
        for asked in message.get("tool_calls") or []:
            call = next(made, None)
            if call is None:
                return
            yield known if asked["name"] == call["tool"] else None
        told(known, message)
        if message["role"] == "user":
            past.turn(past.present.number + 1, by_user=True)
    for _ in made:
        yield None


def replay(calls: list[Row], conversation: list[Row], rules: Rules) -> Iterator[Judgement]:
    """What the guards say of each call of a trace, in order."""
    past = Past()
    past.turn(1, by_user=True)
    seen = grounds(conversation, calls, past) if conversation else iter([None] * len(calls))
    for call, known in zip(calls, seen, strict=True):
        made, now = Call(call["tool"], call["arguments"]), float(call["step"])
        yield judge(Question(made, made.arguments, past, now, known=known), rules)
        past.take(step(made, Outcome(call["success"], call["result"]), now))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--preset", choices=PRESETS, default="default")
    parser.add_argument("--show", action="store_true", help="print every call that was stopped")
    options = parser.parse_args()
    for source in SUCCESSFUL:
        kept, verdicts, guards = messages(options.data, source), Counter(), Counter()
        for trace, calls in traces(options.data, source).items():
            judgements = replay(calls, kept.get(trace, []), PRESETS[options.preset])
            for call, judgement in zip(calls, judgements, strict=True):
                verdicts[judgement.verdict] += 1
                guards.update(f"{found.guard} {found.verdict}" for found in judgement.findings)
                if options.show and judgement.verdict == "block":
                    print(trace, call["step"], call["tool"], "|", judgement.reason)
        total = verdicts.total()
        share = verdicts["block"] / total
        print(f"{source}: {total} calls, blocked {share:.2%}", dict(verdicts), dict(guards))


if __name__ == "__main__":
    main()
