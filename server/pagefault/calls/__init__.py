"""Calls of other tools: checked before, kept after, bound to names, learned from.

What is used of this room from above is loaded when it is first asked for: most starts need none of
it, and it stands on three rooms of its own.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..bindings.binding import Binding as Binding
    from ..guards.guard import Tool as Tool
    from ..procedures.retrieval import Query as Query
    from ..procedures.wording import block as block
    from .advice import Pattern as Pattern
    from .advice import for_tools as for_tools
    from .advice import search as search
    from .bindings import Bound as Bound
    from .bindings import get as get
    from .bindings import idle as idle
    from .bindings import newest as newest
    from .checking import CheckRequest as CheckRequest
    from .checking import check as check
    from .core import Calls as Calls
    from .hearing import About as About
    from .hearing import Listener as Listener
    from .promoting import promote as promote
    from .recording import after as after
    from .recording import again as again
    from .recording import bound_to as bound_to
    from .recording import check_aliases as check_aliases
    from .track import Track as Track

_NAMES = {
    "..bindings.binding": ("Binding",),
    "..guards.guard": ("Tool",),
    "..procedures.retrieval": ("Query",),
    "..procedures.wording": ("block",),
    ".advice": ("Pattern", "for_tools", "search"),
    ".bindings": ("Bound", "get", "idle", "newest"),
    ".checking": ("CheckRequest", "check"),
    ".core": ("Calls",),
    ".hearing": ("About", "Listener"),
    ".promoting": ("promote",),
    ".recording": ("after", "again", "bound_to", "check_aliases"),
    ".track": ("Track",),
}
_PLACE = {name: place for place, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever has that name
    if name not in _PLACE:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(_PLACE[name], __name__), name)
