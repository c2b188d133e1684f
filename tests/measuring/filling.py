"""Pages to measure with: texts that people might have written, in a store of any size."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

from pagefault.base import assets
from pagefault.base.config import Settings
from pagefault.ledger import record
from pagefault.memory.core import Memory
from pagefault.memory.opening import Folders, open_memory
from pagefault.stores.contract import Workspace, WorkspaceRequest

LENGTH = 400  # characters of a page
_TOGETHER = 250  # pages recorded in one call
_SITTING = 1_000  # pages of one session


def texts(seed: int = 1) -> Iterator[str]:
    """Texts of `LENGTH` characters: sentences of the demo's conversation in ever new order."""
    lines = assets.text("demo.jsonl").splitlines()
    said = " ".join(json.loads(line)["content"] for line in lines)
    sentences = [sentence.strip() for sentence in said.split(". ") if len(sentence) > 20]
    chance = random.Random(seed)
    number = 0
    while True:
        number += 1
        text = f"Note {number}."
        while len(text) < LENGTH:
            text += f" {chance.choice(sentences)}."
        yield text[:LENGTH]


def memory_at(url: str, folder: Path, durability: str = "full") -> Memory:
    """A memory as a server makes it, to be entered; limits of a turn do not bind."""
    settings = Settings(
        store=url,
        durability=durability,
        tokenizer="estimate",
        faults_per_turn=10**9,
        fault_tokens_per_turn=10**9,
    )
    return open_memory(settings, Folders(folder, folder / "vocabularies"))


async def workspace_in(memory: Memory) -> Workspace:
    """The workspace that is measured in."""
    await memory.ready()
    wanted = WorkspaceRequest("local", "estimate", memory.now(), name="default")
    return await memory.store.open_workspace(wanted)


async def fill(
    memory: Memory, workspace: Workspace, pages: int, session: str | None = None
) -> None:
    """Record so many messages, ``msg_1`` the first; none of them is mapped.

    All in one session, or a thousand in each of as many as it takes.
    """
    source = texts()
    for first in range(0, pages, _TOGETHER):
        seat = await memory.seat(workspace, session or f"sitting-{first // _SITTING}")
        count = min(_TOGETHER, pages - first)
        events = [{"role": "assistant", "content": next(source)} for _ in range(count)]
        await record(memory, seat, events, imported=True)
