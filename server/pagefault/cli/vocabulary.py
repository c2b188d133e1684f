"""``pagefault vocabulary``: fetch a tokenizer's vocabulary once, for exact counts ever after."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ..base.errors import StoreUnavailable
from ..base.tokens import fetch_vocabulary

if TYPE_CHECKING:
    from .setting_up import SetUp


def add_options(parser: ArgumentParser) -> None:
    """The options of ``vocabulary``."""
    parser.add_argument("name", help="a tiktoken encoding, such as o200k_base or cl100k_base")


def run(ready: SetUp, options: Namespace) -> int:
    """Fetch it, unless it is there and undamaged."""
    folder = ready.folders.vocabularies
    try:
        path = fetch_vocabulary(options.name, folder)
    except OSError as error:
        message = f"{folder} cannot be written: {error}. Check its permissions and the disk"
        raise StoreUnavailable(message) from error
    print(f"{path}: {path.stat().st_size:,} bytes, checksum as published")
    if ready.resolved.settings.tokenizer not in ("auto", options.name):
        print(f"The tokenizer setting is {ready.resolved.settings.tokenizer}: it is not used yet.")
    else:
        print("New workspaces count with it; a workspace that exists keeps its own tokenizer.")
    return 0
