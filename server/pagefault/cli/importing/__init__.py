"""``pagefault import``: a conversation, or an export of ours, into the memory."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from ...base.exported import is_export
from .conversation import import_conversation
from .export import import_export
from .file import JsonFile

if TYPE_CHECKING:
    from ..setting_up import SetUp


def add_options(parser: ArgumentParser) -> None:
    """The options of ``import``."""
    parser.add_argument(
        "file",
        type=Path,
        help="JSON or JSON lines: messages (plain, OpenAI's or Anthropic's), or an export",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(ready: SetUp, options: Namespace) -> int:
    """Read the file once to check all of it, then again to import it."""
    file = JsonFile(options.file.expanduser())
    bring = import_export if is_export(file.first()) else import_conversation
    anyio.run(bring, ready, file, options.json)
    return 0
