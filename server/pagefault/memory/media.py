"""What pages hold beside their text: how it is kept, and how it is read again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..base.event import canonical
from ..base.media import Blob, Media
from ..base.page import Page
from ..stores.contract import Workspace
from .core import Memory


def kept_beside(media: Media | None) -> list[bytes]:
    """The contents of a page's ``blobs``: how it was sent and what each is, then the bytes."""
    if media is None:
        return []
    named = [{"mime_type": blob.mime_type, "about": blob.about} for blob in media.blobs]
    form = canonical({"frame": media.frame, "blobs": named})
    return [form.encode(), *(blob.data for blob in media.blobs)]


async def frame_of(memory: Memory, workspace: Workspace, page: Page) -> tuple[Any, list[Blob]]:
    """The frame of a page that holds something, and what it holds, without the bytes."""
    form = json.loads(await memory.text(workspace, page.blobs[0]))
    return form["frame"], [Blob(one["mime_type"], b"", one["about"]) for one in form["blobs"]]


async def blobs_of(memory: Memory, workspace: Workspace, page: Page) -> Sequence[Blob]:
    """What a page holds beside its text, with the bytes.

    Raises:
        StoreDamaged: the stored bytes are not what was written.
    """
    if not page.blobs:
        return ()
    _, named = await frame_of(memory, workspace, page)
    return [
        Blob(blob.mime_type, await memory.store.content(workspace, content), blob.about)
        for blob, content in zip(named, page.blobs[1:], strict=True)
    ]
