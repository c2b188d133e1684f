"""``pagefault demo``: the real server as a child, a real client, a conversation, a small window."""

from __future__ import annotations

import io
import json
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from ...base.tokens import open_tokenizer
from ..screen import Screen
from .client import served
from .scenes import SCENES, Stage
from .story import read_story

if TYPE_CHECKING:
    from ..setting_up import SetUp

_BUDGET = 3_000  # tokens: small beside the conversation, so that something has to leave
_BROKEN = 1


def add_options(parser: ArgumentParser) -> None:
    """The options of ``demo``."""
    parser.add_argument(
        "--budget-tokens",
        dest="window",
        metavar="TOKENS",
        type=int,
        default=_BUDGET,
        help=f"of the window (default {_BUDGET:,})",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")


def run(ready: SetUp, options: Namespace) -> int:
    """Play it; 0 only when everything that it says of pagefault has held."""
    screen = Screen(io.StringIO(), colour=False) if options.json else Screen.of_stdout()
    stage = anyio.run(_play, ready, screen, options.window)
    if options.json:
        print(json.dumps({**stage.figures, "held": not stage.broken, "broken": stage.broken}))
    else:
        _close(stage)
    return _BROKEN if stage.broken else 0


async def _play(ready: SetUp, screen: Screen, budget: int) -> Stage:
    began = anyio.current_time()
    name = ready.tokenizer()
    tokenizer = open_tokenizer(name, ready.folders.vocabularies, caches=ready.folders.caches)
    with tempfile.TemporaryDirectory(prefix="pagefault-demo-") as folder:
        settings = {
            "store": f"{folder}/memory.db",
            "budget-tokens": str(budget),
            "tokenizer": name,
        }
        screen.heading(f"pagefault demo: a real server over stdio, a window of {budget:,} tokens")
        async with served(Path(folder), settings, tokenizer.count) as caller:
            stage = Stage(caller, screen, read_story(), budget)
            stage.figures["tokenizer"] = name
            for scene in SCENES:
                await scene(stage)
    stage.figures["seconds"] = round(anyio.current_time() - began, 2)
    return stage


def _close(stage: Stage) -> None:
    for claim in dict.fromkeys(stage.broken):
        stage.screen.say(stage.screen.paint(f"  This did not hold: {claim}", "red"))
    tokenizer = stage.figures["tokenizer"]
    stage.screen.say()
    stage.screen.say(f"  {stage.figures['seconds']} s in all; tokens by the tokenizer {tokenizer}")
