"""The door of content: what is about to be written is looked through first.

For secrets, and for words that pose as instructions, of which a model, a tool or an imported file
is not to be the source.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..base.errors import SecretRefused
from ..base.event import canonical
from ..base.page import SOURCE_TRUST, Trust

_SHOWN = 3  # places named in one note
_FIELDS = ("content", "result", "arguments", "error", "tool_calls", "hint")


def vetted(
    written: Mapping[str, Any], at: str, mode: str
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """What is to be kept of it, by name of its fields, and the places where secrets stand.

    ``at`` names it in an error, such as "events[3]", and may be empty. ``mode``: one of `SECRETS`.
    It comes back as it is, the same object, unless something was masked.

    Raises:
        SecretRefused: there is one, and the mode is refuse.
    """
    if mode == "off":
        return written, ()
    from ..guards import leaks  # a start needs none of the guards

    given = {name: written[name] for name in _FIELDS if written.get(name)}
    found = [
        place
        for name, value in given.items()
        for place in leaks.places(value, f"{at}.{name}" if at else name)
    ]
    if found and mode == "refuse":
        message = (
            f"{_listed(found)}; this server keeps no secrets (--secrets refuse), and nothing was "
            "written. Leave it out, or name the variable or vault that holds it"
        )
        raise SecretRefused(message)
    if not found or mode == "note":
        return written, tuple(found)
    return {**written, **leaks.mask_values(given)}, tuple(found)


def vetted_bytes(data: bytes, at: str, mode: str) -> tuple[bytes, tuple[str, ...]]:
    """The same of a content as the store keeps it: a text, JSON as text, or the bytes of an image.

    Raises:
        SecretRefused: as `vetted`.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data, ()
    from ..guards import leaks

    kept, found = vetted({"content": text}, at, mode)
    if kept["content"] is text:
        return data, found
    try:
        return canonical(leaks.mask_values(json.loads(text))).encode(), found
    except ValueError:  # no JSON, whose marks masking could have broken
        return str(kept["content"]).encode(), found


def notes_of(places: Sequence[str], mode: str) -> tuple[str, ...]:
    """What to say of the secrets that were found."""
    if not places:
        return ()
    done = (
        "masked, the original was not kept"
        if mode == "mask"
        else "kept as it is; page_forget deletes it"
    )
    return (f"{_listed(places)}: {done}",)


def standing_of(source: str, *texts: object) -> tuple[int, str | None]:
    """How far words of that source can be trusted, and why they are kept out of contexts, if so.

    A person's and the operator's words are what they are, whatever they say. Others that pose as
    instructions are of low trust, and kept out unless they only quote such words.
    """
    trust = int(SOURCE_TRUST[source])
    if source in ("user", "system"):
        return trust, None
    from ..guards import posing

    found = [one for one in map(posing.find, filter(None, texts)) if one is not None]
    reasons = [one.reason for one in found if not one.quoted]
    return min(trust, Trust.LOW) if found else trust, reasons[0] if reasons else None


def kept_out(names: Sequence[str], reason: str) -> str:
    """What to say of pages that pose as instructions."""
    return (
        f"{_listed(names)}: {reason}; kept at low trust, and in no context until page_fault or "
        "page_pin names it"
    )


def _listed(places: Sequence[str]) -> str:
    more = f", and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return f"{', '.join(places[:_SHOWN])}{more}"
