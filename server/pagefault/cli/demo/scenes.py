"""The scenes of the demo: each calls the server, shows what happened and notes the figures.

A further scene is a function and its place in `SCENES`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio

from ..screen import Screen
from .client import Caller
from .story import Message, Question, Story

ENOUGH_ANSWERS = 6  # of eight, among the first `RESULTS` that a search returns
RESULTS = 5
_WIDTH = 88


@dataclass(slots=True)
class Stage:
    """What the scenes share. ``broken``: what the demo says of pagefault and did not hold."""

    caller: Caller
    screen: Screen
    story: Story
    budget: int
    pages: dict[str, Message] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    def claim(self, claim: str, *, holds: bool) -> None:
        """Something that the demo shows; it fails when one of these does not hold."""
        if not holds:
            self.broken.append(claim)


Scene = Callable[[Stage], Awaitable[None]]


async def meet(stage: Stage) -> None:
    """A session, and what a client is offered."""
    tools = (await stage.caller.client.list_tools()).tools
    started = await stage.caller.call("session_start", title="The Sedge team's chat")
    stage.caller.session = {"session_id": started["session_id"]}
    stage.figures["tools"] = len(tools)
    stage.screen.say(f"  {len(tools)} tools, session {started['session_id']}")


async def replay(stage: Stage) -> None:
    """The conversation is recorded sitting by sitting; watch the working set move."""
    say = stage.screen.say
    messages = len(stage.story.messages)
    stage.screen.heading(f"1  A team's chat is recorded: {messages} messages in six weeks")
    say("     sitting begins     messages   tokens    in the window: pages    tokens   left it")
    for sitting in stage.story.sittings:
        await _record(stage, sitting)
    tokens = stage.figures["tokens_recorded"]
    say(f"  {tokens:,} tokens are kept; the window holds {stage.budget:,} of them at a time.")


async def _record(stage: Stage, sitting: tuple[Message, ...]) -> None:
    done = await stage.caller.call("session_record", events=list(sitting))
    stats = await stage.caller.call("session_stats")
    window = stats["working_set"]
    for event, message in zip(done["events"], sitting, strict=True):
        stage.pages[event["page_id"]] = message
    figures = stage.figures
    figures["messages"] = figures.get("messages", 0) + len(sitting)
    figures["tokens_recorded"] = figures.get("tokens_recorded", 0) + done["tokens"]
    figures["tokens_mapped"], figures["pages_mapped"] = window["tokens"], window["pages"]
    stage.claim("the window stays within its budget", holds=window["tokens"] <= stage.budget)
    began = sitting[0]["created_at"][:16].replace("T", " ")
    stage.screen.say(
        f"     {began}   {len(sitting):>8}   {done['tokens']:>6,}    {window['pages']:>20}"
        f"    {window['tokens']:>6,}   {done.get('evicted_count', 0):>7}"
    )


async def fault(stage: Stage) -> None:
    """Something said at the start, long out of the window, is read again by its id."""
    page_id, message = next(
        (page_id, one) for page_id, one in stage.pages.items() if one["role"] == "user"
    )
    ago = len(stage.pages) - list(stage.pages).index(page_id) - 1
    stage.screen.heading(f"2  page_fault {page_id}: said {ago} messages ago, on the first morning")
    mapped = await stage.caller.call("session_stats", pages=True)
    answer = await stage.caller.call("page_fault", page_id=page_id)
    effects = answer["effects"]
    verbatim = answer["page"]["content"] == message["content"]
    stage.claim("the page was not in the window", holds=page_id not in _ids(mapped["pages"]))
    stage.claim("the fault gave the text word for word", holds=verbatim)
    stage.figures["fault"] = {"page_id": page_id, "verbatim": verbatim, "messages_ago": ago}
    say = stage.screen.say
    for line in _wrapped(f'{message["name"]}: "{answer["page"]["content"]}"'):
        say(f"     {line}")
    gone = ", ".join(effects["evicted"]) or "nothing"
    say(f"  {'Word for word' if verbatim else 'NOT the recorded text'}. To make room left: {gone}.")


async def ask(stage: Stage) -> None:
    """Questions about what was said: where does the answering page rank?"""
    questions = stage.story.questions
    stage.screen.heading(f"3  search_pages: {len(questions)} questions, the best {RESULTS} results")
    ranks = [await _ask(stage, question) for question in questions]
    found = sum(rank is not None for rank in ranks)
    stage.figures["questions"] = {"asked": len(ranks), "found": found, "ranks": ranks}
    stage.claim(f"at least {ENOUGH_ANSWERS} answers are found", holds=found >= ENOUGH_ANSWERS)
    stage.screen.say(f"  {found} of {len(ranks)} answers are among the first {RESULTS} results.")


async def _ask(stage: Stage, question: Question) -> int | None:
    began = anyio.current_time()
    answer = await stage.caller.call("search_pages", query=question.question, limit=RESULTS)
    took = (anyio.current_time() - began) * 1000
    pages = [result["page_id"] for result in answer["results"]]
    right = [question.fragment in stage.pages[page_id]["content"] for page_id in pages]
    rank = right.index(True) + 1 if any(right) else None
    stage.screen.say(f"  {question.question}")
    if rank is None:
        stage.screen.say(f"     not found ({took:.0f} ms)")
    else:
        snippet = answer["results"][rank - 1]["snippet"]
        for line in _wrapped(f"#{rank} {pages[rank - 1]} ({took:.0f} ms): {snippet}"):
            stage.screen.say(f"     {line}")
    return rank


async def build(stage: Stage) -> None:
    """What the next call to a model would be given."""
    question = stage.story.questions[0].question
    stage.screen.heading("4  context_build: what the model sees in its next call")
    answer = await stage.caller.call("context_build", message=question)
    stage.figures["context_tokens"] = answer["tokens"]
    stage.claim("the context is within the budget", holds=answer["tokens"] <= stage.budget)
    stage.screen.say(
        f"  {answer['tokens']:,} tokens: rules, a manifest, {len(answer['pages'])} pages; "
        f"{len(answer.get('prefetched', ()))} of them were brought in for this question:"
    )
    stage.screen.say(f"     {question}")


async def bill(stage: Stage) -> None:
    """What it did and cost."""
    figures, caller = stage.figures, stage.caller
    saved = figures["tokens_recorded"] - figures["context_tokens"]
    figures |= {
        "calls": caller.calls.total(),
        "reply_tokens": dict(caller.reply_tokens),
        "tokens_not_resent": saved,
    }
    stage.screen.heading("5  What it cost, in tokens")
    for name, tokens, note in (
        ("recorded", figures["tokens_recorded"], f"{figures['messages']} messages, kept for good"),
        ("in the window", figures["tokens_mapped"], f"of {stage.budget:,}, when all was recorded"),
        ("next context", figures["context_tokens"], "all that the next call has to carry"),
        ("need not be resent", saved, "with every further call of this conversation"),
    ):
        stage.screen.say(f"     {name:<20} {tokens:>8,}   {note}")
    stage.screen.say("  The replies of this demo:")
    for tool, tokens in caller.reply_tokens.items():
        calls = caller.calls[tool]
        stage.screen.say(f"     {tool:<20} {tokens:>8,}   {calls} call{'s' * (calls > 1)}")


def _ids(pages: list[dict[str, Any]]) -> set[str]:
    return {page["page_id"] for page in pages}


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(" ".join(text.split()), _WIDTH)


SCENES: tuple[Scene, ...] = (meet, replay, fault, ask, build, bill)
