"""A workspace's whole log with its contents, read in short pieces while others write."""

from __future__ import annotations

from collections.abc import AsyncIterator

from .. import __version__
from ..base.exported import Content, End, Header, Item
from ..stores.contract import Store, Workspace
from ..stores.pieces import read


async def export(store: Store, workspace: Workspace) -> AsyncIterator[Item]:
    """Everything up to now, in the order that `base.exported` describes."""
    yield Header(
        workspace.id,
        workspace.name,
        workspace.tokenizer,
        workspace.created_at,
        workspace.fingerprint,
        f"pagefault {__version__}",
    )
    contents = lines = 0
    async for item in read(store, workspace):
        contents += isinstance(item, Content)
        lines += not isinstance(item, Content)
        yield item
    yield End(contents, lines)
