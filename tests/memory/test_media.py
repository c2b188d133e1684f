"""Pages with images: kept as they were sent, shown at the level that fits, forgotten for good."""

from __future__ import annotations

import pytest
from tests.conftest import home
from tests.images import anthropic_part, data_url, part, png
from tests.memory.making import (
    MakeMemory,
    drop,
    keep,
    level_of,
    page_of,
    prose,
    recall,
    say,
    seated,
)

from pagefault.base.errors import FaultLimitExceeded, InvalidArgument, StoreDamaged
from pagefault.base.media import fill
from pagefault.base.page import Level
from pagefault.memory.context import ContextRequest
from pagefault.memory.core import Memory
from pagefault.memory.forgetting import forget
from pagefault.memory.importing import graft
from pagefault.memory.keeping import release
from pagefault.memory.levels import at_level
from pagefault.memory.media import blobs_of, frame_of
from pagefault.memory.messages import Messages, build_messages
from pagefault.memory.recall import SearchRequest, search
from pagefault.paging.levels import thumbnail
from pagefault.paging.pictures import blob_tokens
from pagefault.residency import Residency
from pagefault.stores.pieces import read

pytestmark = pytest.mark.anyio

LARGE = png(900, 700)  # 840 tokens
SMALL = png(60, 50)
TEXT = {"type": "text", "text": "What is wrong in this screenshot?"}


async def images(memory: Memory, seat: Residency, page_id: str) -> list[bytes]:
    page = await page_of(memory, seat, page_id)
    return [blob.data for blob in await blobs_of(memory, seat.workspace, page)]


async def contents(memory: Memory, seat: Residency) -> list[bytes]:
    return [data for _, data in await memory.store.contents(seat.workspace, 0, 1_000)]


async def test_what_was_sent_is_kept_as_it_was(memory: Memory, seat: Residency) -> None:
    for sent in ([TEXT, part(LARGE, alt="a form")], [anthropic_part(LARGE), TEXT]):
        page = await page_of(memory, seat, await say(memory, seat, sent))
        assert (page.modality, page.page_type) == ("image", "transcript")
        frame, _ = await frame_of(memory, seat.workspace, page)
        held = await blobs_of(memory, seat.workspace, page)
        assert fill(frame, lambda number, held=held: held[number].base64) == sent


async def test_an_image_costs_its_size_and_not_its_base64(memory: Memory, seat: Residency) -> None:
    page = await page_of(memory, seat, await keep(memory, seat, data_url(LARGE)))
    assert 840 < page.tokens < 860
    assert seat.set.used == page.tokens
    assert page.size > len(LARGE)


async def test_the_same_image_is_kept_once(memory: Memory, seat: Residency) -> None:
    await keep(memory, seat, data_url(LARGE), page_type="artifact")
    await say(memory, seat, [TEXT, part(LARGE)])
    await say(memory, seat, [anthropic_part(LARGE)], role="tool", tool_name="look")
    assert (await contents(memory, seat)).count(LARGE) == 1


async def test_an_image_is_gone_when_the_last_page_of_it_is_forgotten(
    memory: Memory, seat: Residency
) -> None:
    one = await keep(memory, seat, data_url(LARGE))
    two = await say(memory, seat, [TEXT, part(LARGE)])
    await at_level(memory, seat.workspace, await page_of(memory, seat, one), Level.REDUCED)
    await forget(memory, seat, one, "asked to")
    assert await images(memory, seat, two) == [LARGE]
    held = await page_of(memory, seat, two)
    await forget(memory, seat, two, "asked to")
    assert LARGE not in await contents(memory, seat)
    with pytest.raises(StoreDamaged):
        await memory.store.content(seat.workspace, held.blobs[1])


async def test_a_fault_gives_the_image_and_counts_it(make_memory: MakeMemory) -> None:
    async with seated(make_memory) as (memory, seat):
        page = await keep(memory, seat, data_url(LARGE), hint="the harbour")
        await say(memory, seat, "where was it?")
        await drop(memory, seat, page)
        found = await recall(memory, seat, page)
        assert [image.data for image in found.images] == [LARGE]
        assert found.text == "[image 1: PNG, 900x700]"
        assert 840 < found.shown.tokens == seat.fault_tokens < 860
        assert level_of(seat, page) == 0


async def test_a_thumbnail_is_computed_once(memory: Memory, seat: Residency) -> None:
    page = await keep(memory, seat, data_url(LARGE))
    first = await recall(memory, seat, page, target_level=1)
    assert first.shown.level == 1
    (small,) = first.images
    assert (small.mime_type, len(small.data) < len(LARGE)) == ("image/jpeg", True)
    assert blob_tokens(first.images) < first.shown.tokens < 840 / 2
    before = await contents(memory, seat)
    again = await recall(memory, seat, page, target_level=1)
    assert again.images == first.images
    assert await contents(memory, seat) == before


async def test_every_level_is_smaller_in_whatever_order_they_are_asked_for(
    memory: Memory, seat: Residency
) -> None:
    for order in ((1, 2, 3), (3, 2, 1), (2, 3, 1)):
        page_id = await say(memory, seat, [TEXT, part(LARGE)])
        sizes = {0: (await page_of(memory, seat, page_id)).tokens}
        for level in order:
            page = await page_of(memory, seat, page_id)
            shown = await at_level(memory, seat.workspace, page, level)
            assert shown.level == level
            sizes[level] = shown.tokens
        assert sizes[0] > sizes[1] > sizes[2] > sizes[3]


async def test_without_pillow_a_thumbnail_is_the_caption(
    memory: Memory, seat: Residency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnail, "installed", lambda: False)
    page = await keep(memory, seat, data_url(LARGE), hint="the harbour")
    found = await recall(memory, seat, page, target_level=1)
    assert (found.shown.level, found.images) == (2, ())
    assert "the harbour" in found.text
    monkeypatch.undo()
    assert (await recall(memory, seat, page, target_level=1)).shown.level == 1


async def test_a_small_image_has_no_levels_between(memory: Memory, seat: Residency) -> None:
    page = await page_of(memory, seat, await keep(memory, seat, data_url(SMALL)))
    assert (await at_level(memory, seat.workspace, page, 2)).level == 0


async def test_an_image_that_does_not_fit_the_quota_comes_smaller(make_memory: MakeMemory) -> None:
    async with seated(make_memory, fault_tokens_per_turn=500) as (memory, seat):
        page = await keep(memory, seat, data_url(LARGE))
        await say(memory, seat, "show it to me")
        await drop(memory, seat, page)
        found = await recall(memory, seat, page, target_level=0)
        assert found.shown.level == 1
        assert found.quota.tokens_left == 500 - found.shown.tokens
        await drop(memory, seat, page)
        second = await recall(memory, seat, page)
        assert (second.shown.level, second.images) == (2, ())
        assert second.quota.tokens_left >= 0
        await recall(memory, seat, page, target_level=3)
        with pytest.raises(FaultLimitExceeded):
            await recall(memory, seat, page, target_level=1)


async def test_an_image_is_mapped_at_the_level_that_fits(make_memory: MakeMemory) -> None:
    async with seated(make_memory, budget_tokens=300) as (memory, seat):
        page = await keep(memory, seat, data_url(LARGE))
        assert level_of(seat, page) == 1
        assert seat.set.used <= 300


async def test_an_image_is_found_by_what_is_said_of_it(memory: Memory, seat: Residency) -> None:
    page = await say(memory, seat, [TEXT, part(LARGE, alt="invoice of the harbour office")])
    hinted = await keep(memory, seat, data_url(SMALL), hint="a lighthouse")
    for query, wanted in (("harbour invoice", page), ("screenshot", page), ("lighthouse", hinted)):
        found = await search(memory, seat, SearchRequest(query, modality="image"))
        assert [quoted.hit.page_id for quoted in found.results] == [wanted]


async def test_an_older_version_keeps_its_image(memory: Memory, seat: Residency) -> None:
    page_id = await keep(memory, seat, data_url(LARGE))
    await keep(memory, seat, data_url(SMALL), page_id=page_id)
    assert await images(memory, seat, page_id) == [SMALL]
    await keep(memory, seat, "words alone", page_id=page_id)
    assert await images(memory, seat, page_id) == []
    first, second, third = await memory.store.versions(seat.workspace, page_id)
    assert await memory.store.content(seat.workspace, first.blobs[1]) == LARGE
    assert (len(second.blobs), third.blobs) == (2, ())


async def test_a_model_writes_words_for_a_level(memory: Memory, seat: Residency) -> None:
    page_id = await keep(memory, seat, data_url(LARGE))
    words = "A harbour in the evening; three boats, one of them red, and the old crane."
    await keep(memory, seat, words, represents=page_id, level=1)
    found = await recall(memory, seat, page_id, target_level=1)
    assert (found.text, found.images) == (words, ())
    with pytest.raises(InvalidArgument, match="is text"):
        await keep(memory, seat, data_url(SMALL), represents=page_id, level=2)


IMAGE = {"type": "input_image", "image_url": data_url(LARGE)}
CHAT = {"type": "image_url", "image_url": {"url": data_url(LARGE)}}
WORDS = "What is wrong in this screenshot?\n[image 1: PNG, 900x700]"


async def messages(memory: Memory, seat: Residency, name: str, budget: int = 4_000) -> Messages:
    return await build_messages(memory, seat, ContextRequest(budget=budget), name)


async def converse(memory: Memory, seat: Residency) -> None:
    """A user's image, an assistant's, and one that a tool answered with."""
    await say(memory, seat, [TEXT, part(LARGE)])
    await say(memory, seat, [anthropic_part(LARGE)], role="assistant")
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    await say(memory, seat, "", role="assistant", tool_calls=[call])
    await say(memory, seat, [TEXT, part(LARGE)], "tool", tool_call_id="c1", tool_name="look")


async def test_openai_chat_gets_images_in_users_messages_alone(
    memory: Memory, seat: Residency
) -> None:
    await converse(memory, seat)
    made = (await messages(memory, seat, "openai_chat")).conversation.messages
    assert made[0]["content"] == [TEXT, CHAT]
    assert made[1]["content"] == "[image 1: PNG, 900x700]"
    assert made[-1] == {"role": "tool", "tool_call_id": "c1", "content": WORDS}


async def test_openai_responses_get_images_of_users_and_tools(
    memory: Memory, seat: Residency
) -> None:
    await converse(memory, seat)
    made = (await messages(memory, seat, "openai_responses")).conversation.messages
    text = {"type": "input_text", "text": TEXT["text"]}
    assert made[0]["content"] == [text, IMAGE]
    assert made[1]["content"] == "[image 1: PNG, 900x700]"
    assert made[-1] == {"type": "function_call_output", "call_id": "c1", "output": [text, IMAGE]}


async def test_anthropic_gets_images_of_users_and_tools(memory: Memory, seat: Residency) -> None:
    await converse(memory, seat)
    made = (await messages(memory, seat, "anthropic")).conversation.messages
    assert made[0]["content"] == [TEXT, anthropic_part(LARGE)]
    (result,) = made[-1]["content"]
    assert result["content"] == [TEXT, anthropic_part(LARGE)]


async def test_messages_count_an_image_by_its_size(memory: Memory, seat: Residency) -> None:
    page = await say(memory, seat, [TEXT, part(LARGE)])
    made = await messages(memory, seat, "anthropic")
    assert 840 < made.tokens < 840 + 100
    made = await messages(memory, seat, "anthropic", budget=800)
    assert (made.pages, made.omitted) == ((), (page,))


async def test_an_image_at_a_smaller_level_is_quoted_in_words(
    memory: Memory, seat: Residency
) -> None:
    page = await say(memory, seat, [TEXT, part(LARGE)])
    await release(memory, seat, [page], 1)
    made = await messages(memory, seat, "anthropic")
    assert made.conversation.messages == []
    assert f"I ({page})" in (made.conversation.system or "")
    assert "900x700" in (made.conversation.system or "")


async def test_a_transcript_is_kept_word_for_word(memory: Memory, seat: Residency) -> None:
    lines = [f"00:{n:02}.000 --> 00:{n:02}.900\n{prose(25, n)}" for n in range(40)]
    text = "WEBVTT\n\n" + "\n\n".join(lines)
    page_id = await keep(memory, seat, text, modality="video", hint="the town meeting")
    page = await page_of(memory, seat, page_id)
    assert page.modality == "video"
    assert (await recall(memory, seat, page_id)).text == text
    sizes = [page.tokens]
    for level in (1, 2, 3):
        shown = await at_level(memory, seat.workspace, page, level)
        assert shown.level == level
        sizes.append(shown.tokens)
    assert sizes == sorted(set(sizes), reverse=True)
    found = await search(memory, seat, SearchRequest("town meeting", modality="video"))
    assert [quoted.hit.page_id for quoted in found.results] == [page_id]


async def test_a_recording_is_kept_once_beside_its_transcript(
    memory: Memory, seat: Residency
) -> None:
    sound = {"type": "audio", "data": "UklGRgAAAABXQVZF", "mimeType": "audio/wav"}
    said = {"type": "text", "text": "[0:01] Good morning\n[0:05] and goodbye"}
    page = await page_of(memory, seat, await say(memory, seat, [sound, said]))
    assert page.modality == "audio"
    assert page.tokens < 60
    found = await recall(memory, seat, page.page_id)
    assert found.images == ()
    assert found.text == f"[audio 1: audio/wav, 12 bytes]\n{said['text']}"
    await keep(memory, seat, [sound], page_type="artifact")
    assert (await contents(memory, seat)).count(b"RIFF\0\0\0\0WAVE") == 1


async def test_a_modality_that_the_content_is_not_of_is_refused(
    memory: Memory, seat: Residency
) -> None:
    for content, modality in ((data_url(SMALL), "audio"), ("a text", "image"), ("a text", "odd")):
        with pytest.raises(InvalidArgument, match="modality"):
            await keep(memory, seat, content, modality=modality)


async def test_an_export_brings_images_into_another_workspace(
    memory: Memory, seat: Residency
) -> None:
    one = await keep(memory, seat, data_url(LARGE))
    two = await say(memory, seat, [TEXT, part(LARGE), part(SMALL)])
    gone = await keep(memory, seat, data_url(SMALL))
    await forget(memory, seat, gone, "asked to")
    items = [item async for item in read(memory.store, seat.workspace)]
    new = await home(memory, name="new")
    there = await memory.seat(new, "s0")
    await keep(memory, there, data_url(SMALL))
    ids: dict[str, str] = {}
    async for piece in graft(memory, new, items):
        ids |= piece.ids
    assert await images(memory, there, ids[one]) == [LARGE]
    assert await images(memory, there, ids[two]) == [LARGE, SMALL]
    held = await contents(memory, there)
    assert (held.count(LARGE), held.count(SMALL)) == (1, 1)
