"""`pagefault export`, and `pagefault import` of what it wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from pagefault.base import assets
from pagefault.base.errors import PageForgotten, StoreDamaged
from pagefault.base.exported import decode
from pagefault.ledger import record
from pagefault.memory.core import Memory
from pagefault.memory.importing import restore
from pagefault.stores.contract import Workspace, WorkspaceRequest

Inside = Callable[[Path, Callable[[Memory], Any]], Any]
Command = Callable[..., Any]


async def home(memory: Memory) -> Workspace:
    (place,) = await memory.store.workspaces("local")
    return place


async def everything(memory: Memory) -> Any:
    """All that can be read of the workspace, in the contract's words."""
    store, place = memory.store, await home(memory)
    sessions = await store.sessions(place, 100)
    return {
        "sessions": sessions,
        "residents": [await store.residents(place, session.id) for session in sessions],
        "pages": await store.pages(place, await store.ids_like(place, "page", "", 100), "boat"),
        "log": await store.log(place, 0, 10_000),
        "contents": await store.contents(place, 0, 10_000),
        "fingerprint": place.fingerprint,
    }


def export(pagefault: Command, store: Path, target: str = "export.jsonl") -> Path:
    done = pagefault("export", target, "--store", store)
    assert done.code == 0, done.err
    return Path(target)


def test_an_export_comes_back_into_an_empty_store_with_the_same_ids(
    pagefault: Command, lived: Path, tmp_path: Path, inside: Inside
) -> None:
    exported = export(pagefault, lived)
    new = tmp_path / "new.db"
    done = pagefault("import", exported, "--store", new, "--json")
    assert (done.code, done.json["same_ids"]) == (0, True)
    assert inside(new, everything) == inside(lived, everything)
    assert export(pagefault, new, "again.jsonl").read_bytes() == exported.read_bytes()


def test_ids_go_on_where_they_were_after_an_import(
    pagefault: Command, lived: Path, tmp_path: Path, inside: Inside
) -> None:
    new = tmp_path / "new.db"
    pagefault("import", export(pagefault, lived), "--store", new)

    async def next_id(memory: Memory) -> Any:
        seat = await memory.seat(await home(memory), "boat")
        return (await record(memory, seat, [{"role": "user", "content": "and on"}])).events

    assert inside(new, next_id) == inside(lived, next_id)


def test_the_standard_output_holds_the_same_export(child: Command, lived: Path) -> None:
    assert child("export", "file.jsonl", "--store", lived).code == 0
    done = child("export", "--store", lived)
    assert done.out == Path("file.jsonl").read_text(encoding="utf-8")


def test_a_file_that_exists_is_not_overwritten(pagefault: Command, lived: Path) -> None:
    Path("mine.jsonl").write_text("precious")
    done = pagefault("export", "mine.jsonl", "--store", lived)
    assert done.code == 1
    assert done.err.startswith("pagefault: invalid_argument: mine.jsonl exists already")
    assert Path("mine.jsonl").read_text() == "precious"


def test_a_store_that_is_not_there_is_not_exported_as_an_empty_one(
    pagefault: Command, tmp_path: Path
) -> None:
    done = pagefault("export", "--store", tmp_path / "none.db")
    assert done.code == 1
    assert done.err.startswith("pagefault: store_unavailable: there is no data file at")
    assert not (tmp_path / "none.db").exists()


@pytest.fixture
def grafted(pagefault: Command, lived: Path, tmp_path: Path, inside: Inside) -> dict[str, Any]:
    """The import into a store that has a session and pages of its own."""

    async def own(memory: Memory) -> None:
        seat = await memory.seat(await home(memory), "boat")
        await record(memory, seat, [{"role": "user", "content": "our own", "key": "k1"}])

    exported = export(pagefault, lived)
    filled = tmp_path / "filled.db"
    Path("ours.json").write_text('[{"role":"user","content":"The first words here."}]')
    pagefault("import", "ours.json", "--store", filled, "--session", "boat")
    inside(filled, own)
    done = pagefault("import", exported, "--store", filled, "--json")
    assert done.code == 0, done.err
    return {**done.json, "store": filled}


def test_into_a_filled_store_everything_comes_under_new_ids(
    grafted: dict[str, Any], lived: Path, inside: Inside
) -> None:
    assert grafted["same_ids"] is False
    sessions, ids = grafted["sessions"], grafted["ids"]
    assert sessions["boat"] != "boat"
    assert sessions["harbour"] == "harbour"
    assert len(set(ids.values())) == len(ids)
    assert not {"msg_1", "msg_2", "evt_1", "evt_2"} & set(ids.values())
    old, new = inside(lived, everything), inside(grafted["store"], everything)
    assert len(new["log"]) == len(old["log"]) + grafted_before(new, grafted)
    rows = {session.id: session for session in new["sessions"]}
    for session in old["sessions"]:
        row = rows[sessions[session.id]]
        assert (row.title, row.turn, row.messages, row.tokens, row.created_at) == (
            session.title,
            session.turn,
            session.messages,
            session.tokens,
            session.created_at,
        )
    assert rows["harbour"].parent == sessions["boat"]
    assert rows["boat"].messages == 2


def grafted_before(new: dict[str, Any], grafted: dict[str, Any]) -> int:
    mine = set(grafted["sessions"].values())
    return sum(line.operation.session not in mine for line in new["log"])


def test_pages_keep_text_versions_derivation_and_time_under_their_new_ids(
    grafted: dict[str, Any], inside: Inside
) -> None:
    ids, session = grafted["ids"], grafted["sessions"]["boat"]

    async def look(memory: Memory) -> Any:
        store, place = memory.store, await home(memory)
        claim = await store.page(place, ids["claim_1"], session)
        chinese = await store.page(place, ids["msg_5"], session)
        return (
            claim,
            await memory.text(place, claim.content),
            await memory.text(place, chinese.content),
            chinese.created_at,
            await store.representations(place, ids["art_1"], 1),
            await store.derived_pages(place, ids["msg_1"]),
        )

    claim, text, chinese, created_at, levels, derived = inside(grafted["store"], look)
    assert (claim.version, text) == (2, "Boat house: light blue.")
    assert (chinese, created_at) == ("船屋漆成蓝色。", 1_778_248_560.0)
    assert levels[3][0] == "model"
    assert derived == [ids["claim_1"]]


def test_the_working_set_comes_along_in_its_order(
    grafted: dict[str, Any], lived: Path, inside: Inside
) -> None:
    old = inside(lived, everything)
    new = inside(grafted["store"], everything)

    def mapped(found: dict[str, Any], session: str) -> list[tuple[Any, ...]]:
        place = [row.id for row in found["sessions"]].index(session)
        return [
            (one.page_id, one.level, one.tokens, one.turn, one.pinned)
            for one in found["residents"][place]
        ]

    ids = grafted["ids"]
    expected = [(ids[page], *rest) for page, *rest in mapped(old, "boat")]
    assert mapped(new, grafted["sessions"]["boat"]) == expected


def test_a_forgotten_page_comes_as_forgotten_and_its_text_not_at_all(
    grafted: dict[str, Any], inside: Inside
) -> None:
    async def look(memory: Memory) -> None:
        place = await home(memory)
        with pytest.raises(PageForgotten):
            await memory.store.page(place, grafted["ids"]["msg_3"], grafted["sessions"]["boat"])

    inside(grafted["store"], look)
    assert b"4000 1234" not in Path("export.jsonl").read_bytes()
    assert b"4000 1234" not in grafted["store"].read_bytes()


def test_keys_hold_in_the_session_that_came_with_them(
    grafted: dict[str, Any], inside: Inside
) -> None:
    async def again(memory: Memory) -> Any:
        seat = await memory.seat(await home(memory), grafted["sessions"]["boat"])
        done = await record(memory, seat, [{"role": "user", "content": "x", "key": "k1"}])
        return done.events[0]

    event = inside(grafted["store"], again)
    assert event.duplicate
    assert event.page_id == grafted["ids"]["msg_1"]


def test_the_new_names_are_printed_for_a_person_as_well(
    pagefault: Command, lived: Path, tmp_path: Path
) -> None:
    exported = export(pagefault, lived)
    target = tmp_path / "twice.db"
    pagefault("import", exported, "--store", target)
    done = pagefault("import", exported, "--store", target)
    lines = done.out.splitlines()
    assert "harbour -> " in done.out
    assert "claim_1 -> claim_2" in lines
    assert lines[-1].endswith("under new ids, listed above")


def test_an_import_that_was_cut_short_is_gone_on_with(
    pagefault: Command, lived: Path, tmp_path: Path, inside: Inside
) -> None:
    exported = export(pagefault, lived)
    target = tmp_path / "half.db"

    async def half(memory: Memory) -> None:
        place = await memory.store.open_workspace(WorkspaceRequest("local", "estimate", 0.0))
        items = [decode(json.loads(line)) for line in exported.read_text("utf-8").splitlines()]
        async for _ in restore(memory, place, items[: len(items) // 2]):
            pass

    inside(target, half)
    done = pagefault("import", exported, "--store", target, "--json")
    assert done.json["same_ids"] is True
    assert 0 < done.json["lines"] < len(inside(lived, everything)["log"])
    old, new = inside(lived, everything), inside(target, everything)
    assert (new["log"], new["contents"]) == (old["log"], old["contents"])


Spoil = Callable[[list[str]], list[str]]


def without_the_end(lines: list[str]) -> list[str]:
    return lines[:-1]


def without_a_log_line(lines: list[str]) -> list[str]:
    return lines[:-3] + lines[-2:]


def with_another_word(lines: list[str]) -> list[str]:
    return [*lines[:3], lines[3].replace("blue", "pink"), *lines[4:]]


def with_a_second_end(lines: list[str]) -> list[str]:
    return [*lines, lines[-1]]


def with_a_broken_line(lines: list[str]) -> list[str]:
    return [*lines[:7], "{", *lines[7:]]


def with_a_later_version(lines: list[str]) -> list[str]:
    return [lines[0].replace('"version":1', '"version":9'), *lines[1:]]


def without_contents(lines: list[str]) -> list[str]:
    return [line for line in lines if not line.startswith('{"content"')]


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (without_the_end, "it has no end"),
        (without_a_log_line, "lacks line"),
        (with_another_word, "line 4 of bad.jsonl"),
        (with_a_second_end, "goes on behind its end"),
        (with_a_broken_line, "line 8 of bad.jsonl is no JSON"),
        (with_a_later_version, "format version 9"),
        (without_contents, "is incomplete"),
    ],
)
def test_an_export_that_is_not_whole_is_refused_whole(
    pagefault: Command, lived: Path, tmp_path: Path, spoil: Spoil, complaint: str
) -> None:
    lines = export(pagefault, lived).read_text(encoding="utf-8").splitlines()
    assert "boat house blue" in lines[3]
    Path("bad.jsonl").write_text("\n".join(spoil(lines)), encoding="utf-8")
    done = pagefault("import", "bad.jsonl", "--store", tmp_path / "new.db")
    assert done.code == 1
    assert done.err.startswith("pagefault: invalid_argument: ")
    assert complaint in done.err
    assert not (tmp_path / "new.db").exists()


def test_a_damaged_content_is_marked_in_the_export_and_not_served_after_the_import(
    pagefault: Command, lived: Path, tmp_path: Path, inside: Inside
) -> None:
    with apsw.Connection(str(lived)) as db:
        db.execute("UPDATE content SET data=CAST('Blue it isn''t' AS BLOB) WHERE data=?",
                   (b"Blue it is.",))  # fmt: skip
    done = pagefault("export", "export.jsonl", "--store", lived)
    assert done.code == 1
    assert done.err.startswith("pagefault: store_damaged: 1 contents are damaged")
    new = tmp_path / "new.db"
    brought = pagefault("import", "export.jsonl", "--store", new, "--json")
    assert (brought.code, brought.json["damaged"]) == (0, 1)

    async def look(memory: Memory) -> str:
        place = await home(memory)
        page = await memory.store.page(place, "msg_2", "boat")
        assert page is not None
        with pytest.raises(StoreDamaged):
            await memory.text(place, page.content)
        other = await memory.store.page(place, "msg_1", "boat")
        assert other is not None
        return await memory.text(place, other.content)

    assert inside(new, look) == "We paint the boat house blue."


def test_another_tokenizer_is_refused_since_token_counts_would_not_agree(
    pagefault: Command, lived: Path, tmp_path: Path
) -> None:
    text = export(pagefault, lived).read_text(encoding="utf-8")
    other = text.replace('"tokenizer":"estimate"', '"tokenizer":"o200k_base"', 1)
    Path("other.jsonl").write_text(other, encoding="utf-8")
    done = pagefault("import", "other.jsonl", "--store", lived)
    assert done.code == 1
    assert "--workspace" in done.err
    brought = pagefault("import", "other.jsonl", "--store", lived, "--workspace", "new", "--json")
    assert (brought.json["workspace"], brought.json["same_ids"]) == ("new", True)


def test_an_export_of_several_pieces_keeps_every_text_under_its_new_name(
    pagefault: Command, tmp_path: Path, inside: Inside
) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    pagefault("import", assets.path("demo.jsonl"), "--store", old)
    exported = export(pagefault, old)
    pagefault("import", exported, "--store", new)
    done = pagefault("import", exported, "--store", new, "--json").json
    assert done["lines"] > 500  # more than a piece holds

    async def texts(memory: Memory) -> dict[str, str]:
        store, place = memory.store, await home(memory)
        ids = await store.ids_like(place, "page", "", 1_000)
        pages = await store.pages(place, ids, "")
        return {page.page_id: await memory.text(place, page.content) for page in pages.values()}

    before, after = inside(old, texts), inside(new, texts)
    assert len(before) == 347
    assert {done["ids"][page_id]: text for page_id, text in before.items()}.items() <= after.items()
    assert before.items() <= after.items()


def test_a_reader_that_goes_away_ends_the_export_without_a_traceback(
    pagefault: Command, tmp_path: Path
) -> None:
    store = tmp_path / "a.db"
    pagefault("import", assets.path("demo.jsonl"), "--store", store)
    command = [sys.executable, "-m", "pagefault", "export", "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b'{"format":"pagefault-export"')
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 1
