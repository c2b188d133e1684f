"""The tools, by group. A new tool is a function in one of these files and a line in its tuple."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ..tool import Spec
from . import calls, context, pages, procedures, sessions, snapshots

GROUPS: Mapping[str, Sequence[Spec]] = MappingProxyType(
    {
        "paging": (*pages.TOOLS, *context.TOOLS),
        "session": (*sessions.TOOLS, *snapshots.TOOLS),
        "calls": calls.TOOLS,
        "procedures": procedures.TOOLS,
    }
)
