"""What settings name is found, or the error says what to give."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from tests.memory.making import prose

from pagefault.base.config import Settings
from pagefault.base.errors import InvalidArgument
from pagefault.ledger import StartRequest, start
from pagefault.memory.faulting import FaultRequest, fault
from pagefault.memory.opening import Folders, find_compressors, open_memory
from pagefault.memory.writing import WriteRequest, write
from pagefault.paging.levels import COMPRESSORS, Compressor, Source, Target
from pagefault.stores.contract import WorkspaceRequest

pytestmark = pytest.mark.anyio


def shout(source: Source, target: Target) -> str | None:
    """Texts about rivers in capitals, at level 2 alone."""
    return source.text[:80].upper() if target.level == 2 and "river" in source.text else None


@pytest.fixture(autouse=True)
def mine(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("mine")
    members = {
        "shout": shout,
        "named": Compressor("shout/3", shout),
        "both": [Compressor("a/1", shout), shout],
        "number": 7,
        "liar": Compressor("model", shout),
        "none": [],
    }
    for name, value in members.items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "mine", module)


def names(setting: str) -> list[str]:
    return [compressor.name for compressor in find_compressors(setting)]


def test_a_users_own_compressors_come_first() -> None:
    ours = [compressor.name for compressor in COMPRESSORS]
    assert names("") == ours
    assert names("mine:named") == ["shout/3", *ours]
    assert names("mine:shout, mine:both") == ["mine:shout", "a/1", "mine:both", *ours]


@pytest.mark.parametrize(
    "setting",
    ["nowhere:made", "mine:nothing", "mine", ":", "mine:number", "mine:liar", "mine:none"],
)
def test_what_is_no_compressor_is_refused(setting: str) -> None:
    with pytest.raises(InvalidArgument, match=r"--compressors .*module:name"):
        find_compressors(setting)


async def test_a_level_is_made_by_the_first_that_has_an_answer(tmp_path: Path) -> None:
    settings = Settings(store="sqlite://:memory:", compressors="mine:named")
    async with open_memory(settings, Folders(tmp_path, tmp_path)) as memory:
        await memory.ready()
        workspace = await memory.store.open_workspace(WorkspaceRequest("local", "estimate", 0.0))
        seat = (await start(memory, workspace, StartRequest())).seat
        for text, origin in ((f"The river. {prose(400)}", "shout/3"), ("stone " * 400, "text/1")):
            page = (await write(memory, seat, WriteRequest(text))).page_id
            shown = (await fault(memory, seat, FaultRequest(page, 2))).shown
            assert (shown.level, shown.origin) == (2, origin)
