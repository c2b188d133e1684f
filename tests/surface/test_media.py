"""Images on the wire: sent in, given back as images, beside the one JSON text."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

import mcp.types as types
import pytest
from mcp import Client
from tests.images import data_url, part, png

from pagefault.base.pictures import read_picture

pytestmark = pytest.mark.anyio

LARGE = png(900, 700)
TEXT = {"type": "text", "text": "What is wrong in this screenshot?"}


async def call(client: Client, name: str, **arguments: Any) -> types.CallToolResult:
    result = await client.call_tool(name, {"session_id": "s1", **arguments})
    assert not result.is_error, result.content
    return result


async def recorded(client: Client, *parts: Any) -> str:
    events = [{"role": "user", "content": list(parts)}]
    result = await call(client, "session_record", events=events)
    assert result.structured_content is not None
    return str(result.structured_content["events"][0]["page_id"])


async def test_a_fault_answers_with_the_image_beside_one_json_text(client: Client) -> None:
    page = await recorded(client, TEXT, part(LARGE))
    result = await call(client, "page_fault", page_id=page)
    text, image = result.content
    assert isinstance(text, types.TextContent)
    assert isinstance(image, types.ImageContent)
    assert (image.mime_type, b64decode(image.data)) == ("image/png", LARGE)
    reply = json.loads(text.text)
    assert reply == result.structured_content
    assert reply["page"]["modality"] == "image"
    assert reply["page"]["content"] == f"{TEXT['text']}\n[image 1: PNG, 900x700]"
    assert reply["effects"]["tokens"] > 840
    assert b64encode(LARGE).decode() not in text.text


async def test_a_fault_at_level_1_answers_with_a_thumbnail(client: Client) -> None:
    page = await recorded(client, part(LARGE))
    result = await call(client, "page_fault", page_id=page, target_level=1)
    _, image = result.content
    assert isinstance(image, types.ImageContent)
    small = read_picture(b64decode(image.data))
    assert small is not None
    assert max(small.width, small.height) <= 512
    for level in (2, 3):
        result = await call(client, "page_fault", page_id=page, target_level=level)
        assert [block.type for block in result.content] == ["text"]


async def test_an_image_is_written_as_a_data_url(client: Client) -> None:
    written = await call(
        client, "page_write", content=data_url(LARGE), page_type="artifact", hint="the harbour"
    )
    assert written.structured_content is not None
    assert 840 < written.structured_content["tokens"] < 860
    page = written.structured_content["page_id"]
    result = await call(client, "page_fault", page_id=page)
    assert [block.type for block in result.content] == ["text", "image"]


async def test_a_resource_serves_the_image_with_its_type(client: Client) -> None:
    page = await recorded(client, TEXT, part(LARGE))
    image, text = (await client.read_resource(f"memory://pages/{page}")).contents
    assert isinstance(image, types.BlobResourceContents)
    assert (image.mime_type, b64decode(image.blob)) == ("image/png", LARGE)
    assert isinstance(text, types.TextResourceContents)
    small, _ = (await client.read_resource(f"memory://pages/{page}?level=1")).contents
    assert isinstance(small, types.BlobResourceContents)
    assert small.mime_type == "image/jpeg"
    (caption,) = (await client.read_resource(f"memory://pages/{page}?level=2")).contents
    assert isinstance(caption, types.TextResourceContents)
    assert "900x700" in caption.text


async def test_a_context_names_the_image_and_says_what_it_is(client: Client) -> None:
    page = await recorded(client, TEXT, part(LARGE))
    result = await call(client, "context_build")
    assert result.structured_content is not None
    message = result.structured_content["developer_message"]
    assert f'I ({page}): "What is wrong in this screenshot?\\n[image 1: PNG, 900x700]"' in message
    assert result.structured_content["tokens"] < 2_000


async def test_messages_for_a_models_api_hold_the_image(client: Client) -> None:
    page = await recorded(client, TEXT, part(LARGE))
    result = await call(client, "context_build", format="anthropic")
    reply = result.structured_content
    assert reply is not None
    source = {"type": "base64", "media_type": "image/png", "data": b64encode(LARGE).decode()}
    assert reply["messages"] == [
        {"role": "user", "content": [TEXT, {"type": "image", "source": source}]}
    ]
    assert (reply["pages"], "notes" in reply) == ([page], False)
    assert 840 < reply["tokens"] < 1_000
