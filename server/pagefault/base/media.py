"""Images and recordings inside what a client sends, taken apart from the text beside them.

Known are the parts of MCP (``{type: image, data, mimeType}``, also ``audio``, and resources with a
``blob``), of OpenAI (``image_url``, ``input_image``, ``input_audio``) and of Anthropic (``source``
with base64), at any depth of a JSON value, and a data URL that is the whole content. What is only
a link stays the JSON that it is.

The frame is the value with a hole, ``{"blob": n}``, where base64 stood: `fill` puts it back.
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .pictures import read_picture

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)(?:;[\w.+-]+=[^;,\s]*)*;base64,")
_KINDS = ("image", "audio", "video")  # of several in one page, the first names it
_SAID = ("alt", "caption", "title", "filename", "name")  # what a part says of itself
_LONGEST = 200  # characters of that
_MARKS = ("data:", "mime", "media_type", "input_audio")  # none of which a blob comes without
_TEXT_PARTS = ("text", "input_text", "output_text")

Json = Any


@dataclass(frozen=True, slots=True)
class Blob:
    """The bytes of an image or recording. ``about``: what the part that it came in says of it."""

    mime_type: str
    data: bytes
    about: str = ""

    @property
    def kind(self) -> str:
        """Image, audio or video."""
        return self.mime_type.partition("/")[0]

    @property
    def base64(self) -> str:
        """The bytes as clients and models' APIs take them."""
        return b64encode(self.data).decode()

    @property
    def url(self) -> str:
        """The bytes as a data URL."""
        return f"data:{self.mime_type};base64,{self.base64}"


@dataclass(frozen=True, slots=True)
class Media:
    """A value that holds more than text. ``frame``: it, with holes; ``text``: it, in words.

    ``blobs``: each once, in the order of their first holes.
    """

    frame: Json
    text: str
    blobs: tuple[Blob, ...]

    @property
    def modality(self) -> str:
        """What kind of page it makes."""
        kinds = {blob.kind for blob in self.blobs}
        return next(kind for kind in _KINDS if kind in kinds)


def read_media(value: Json, text: str) -> Media | None:
    """The images and recordings in a value; None where it holds none. ``text``: it, as JSON."""
    if not any(mark in text for mark in _MARKS):  # spares looking through it
        return None
    taking = _Taking([])
    frame = taking.framed(value)
    if not taking.blobs or taking.ambiguous:
        return None
    return Media(frame, told(frame, taking.blobs), tuple(taking.blobs))


def parts(frame: Json, blobs: Sequence[Blob]) -> list[dict[str, Json]]:
    """A frame as the plain parts that every model's API has: text, and images by their number.

    ``{type: text, text}`` and ``{type: image, mimeType, blob}``, in the order in which they stand.
    """
    made: list[dict[str, Json]] = []
    for part in _flat(frame):
        held = list(dict.fromkeys(_holes(part)))
        shown = [number for number in held if blobs[number].kind == "image"]
        if _is_part(part) and held and len(shown) == len(held):
            made += (_shown(blobs[number], number) for number in shown)
        elif text := told(part, blobs):
            made.append({"type": "text", "text": text})
            made += (_shown(blobs[number], number) for number in shown)
    return made


def _shown(blob: Blob, number: int) -> dict[str, Json]:
    return {"type": "image", "mimeType": blob.mime_type, "blob": number}


def _flat(frame: Json) -> Iterator[Json]:
    """The parts of a value, those of a tool's result among them."""
    if isinstance(frame, list):
        for part in frame:
            yield from _flat(part)
    elif isinstance(frame, Mapping) and _is_result(frame):
        yield from _flat(frame["content"])
    else:
        yield frame


def fill(frame: Json, written: Callable[[int], str]) -> Json:
    """The value that a frame was made from. ``written``: a blob's base64, by its number."""
    if isinstance(frame, Mapping):
        if _is_hole(frame):
            text = written(frame["blob"])
            return f"{frame['before']}{text}" if "before" in frame else text
        return {name: fill(item, written) for name, item in frame.items()}
    if isinstance(frame, list):
        return [fill(item, written) for item in frame]
    return frame


def data_urls(text: str) -> tuple[list[Blob], str]:
    """The data URLs that a text begins with, one a line, and the rest of it."""
    blobs: list[Blob] = []
    while text.startswith("data:"):
        line, _, rest = text.partition("\n")
        blob = _of_url(line)
        if blob is None:
            break
        blobs.append(blob)
        text = rest
    return blobs, text


def caption(blob: Blob, number: int) -> str:
    """``[image 1: a cat, PNG, 800x600, 2024-05-01 12:30]``: what is known of it in words."""
    picture = read_picture(blob.data) if blob.kind == "image" else None
    facts = [blob.about, picture.format if picture else blob.mime_type]
    if picture:
        facts += [f"{picture.width}x{picture.height}", picture.taken or ""]
    else:
        facts.append(f"{len(blob.data):,} bytes")
    return f"[{blob.kind} {number}: {', '.join(filter(None, facts))}]"


def told(frame: Json, blobs: Sequence[Blob]) -> str:
    """The frame in words: its texts as they are, a caption for each hole."""
    if isinstance(frame, list):
        return "\n".join(filter(None, (told(part, blobs) for part in frame)))
    if isinstance(frame, str):
        return frame
    text = frame.get("text") if isinstance(frame, Mapping) else None
    if isinstance(text, str) and frame.get("type") in _TEXT_PARTS:
        return text
    if isinstance(frame, Mapping) and _is_result(frame):
        return told(frame["content"], blobs)
    held = sorted(set(_holes(frame)))
    if held and _is_part(frame):
        return "\n".join(caption(blobs[number], number + 1) for number in held)
    return json.dumps(_captioned(frame, blobs), ensure_ascii=False, separators=(",", ":"))


def _captioned(frame: Json, blobs: Sequence[Blob]) -> Json:
    if isinstance(frame, Mapping):
        if _is_hole(frame):
            return caption(blobs[frame["blob"]], frame["blob"] + 1)
        return {name: _captioned(item, blobs) for name, item in frame.items()}
    if isinstance(frame, list):
        return [_captioned(item, blobs) for item in frame]
    return frame


@dataclass(slots=True)
class _Taking:
    """Takes blobs out of a value. ``ambiguous``: it holds what looks like a hole of ours."""

    blobs: list[Blob]
    ambiguous: bool = False

    def framed(self, value: Json) -> Json:
        if isinstance(value, str):
            blob = _of_url(value)
            return value if blob is None else self._hole(blob, value)
        return self._deep(value)

    def _deep(self, value: Json) -> Json:
        if isinstance(value, Mapping):
            self.ambiguous |= _is_hole(value)
            part = self._part(value)
            if part is not None:
                return part
            return {name: self._deep(item) for name, item in value.items()}
        return [self._deep(item) for item in value] if isinstance(value, list) else value

    def _part(self, part: Mapping[str, Json]) -> Json | None:
        for reads in (_inline, _source, _linked, _input_audio, _resource):
            found = reads(part)
            if found is not None:
                path, blob, text = found
                return _replaced(part, path, self._hole(blob, text))
        return None

    def _hole(self, blob: Blob, text: str) -> Json:
        known = [held.data for held in self.blobs]
        if blob.data not in known:
            self.blobs.append(blob)
            known.append(blob.data)
        hole = {"blob": known.index(blob.data)}
        before, comma, _ = text.partition(",")
        return hole | {"before": before + comma} if comma else hole


Found = tuple[tuple[str, ...], Blob, str]  # where the base64 stands, what it is, how it is written


def _inline(part: Mapping[str, Json]) -> Found | None:
    """MCP: ``{type: image | audio, data, mimeType}``."""
    if part.get("type") not in _KINDS:
        return None
    return _found(part, ("data",), part.get("mimeType") or part.get("mime_type"))


def _source(part: Mapping[str, Json]) -> Found | None:
    """Anthropic: ``{type: image, source: {type: base64, media_type, data}}``."""
    source = part.get("source")
    if part.get("type") not in _KINDS or not isinstance(source, Mapping):
        return None
    return _found(part, ("source", "data"), source.get("media_type"))


def _linked(part: Mapping[str, Json]) -> Found | None:
    """OpenAI: ``{type: image_url, image_url: {url}}``, ``{type: input_image, image_url}``."""
    if part.get("type") not in ("image_url", "input_image"):
        return None
    nested = isinstance(part.get("image_url"), Mapping)
    path = ("image_url", "url") if nested else ("image_url",)
    text = _at(part, path)
    blob = _of_url(text, _about(part)) if isinstance(text, str) else None
    return None if blob is None else (path, blob, str(text))


def _input_audio(part: Mapping[str, Json]) -> Found | None:
    """OpenAI: ``{type: input_audio, input_audio: {data, format}}``."""
    inner = part.get("input_audio")
    if part.get("type") != "input_audio" or not isinstance(inner, Mapping):
        return None
    return _found(part, ("input_audio", "data"), f"audio/{inner.get('format')}")


def _resource(part: Mapping[str, Json]) -> Found | None:
    """MCP: ``{type: resource, resource: {uri, blob, mimeType}}``."""
    inner = part.get("resource")
    if part.get("type") != "resource" or not isinstance(inner, Mapping):
        return None
    return _found(part, ("resource", "blob"), inner.get("mimeType"))


def _found(part: Mapping[str, Json], path: tuple[str, ...], mime_type: Json) -> Found | None:
    text = _at(part, path)
    if not isinstance(text, str) or not isinstance(mime_type, str):
        return None
    blob = _blob(mime_type, text, _about(part))
    return None if blob is None else (path, blob, text)


def _of_url(text: str, about: str = "") -> Blob | None:
    head = _DATA_URL.match(text)
    return None if head is None else _blob(head[1], text[head.end() :], about)


def _blob(mime_type: str, text: str, about: str) -> Blob | None:
    """None for what is no image or recording, or whose base64 would not come back as it was."""
    if mime_type.partition("/")[0] not in _KINDS or not text:
        return None
    try:
        data = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    blob = Blob(mime_type, data, about)
    return blob if blob.base64 == text else None


def _about(part: Mapping[str, Json]) -> str:
    named = next((part[name] for name in _SAID if isinstance(part.get(name), str)), "")
    return " ".join(named[: 2 * _LONGEST].split())[:_LONGEST]


def _at(part: Json, path: Sequence[str]) -> Json:
    for name in path:
        part = part.get(name) if isinstance(part, Mapping) else None
    return part


def _replaced(part: Mapping[str, Json], path: Sequence[str], hole: Json) -> Json:
    name, *rest = path
    return {**part, name: _replaced(part[name], rest, hole) if rest else hole}


def _is_hole(value: Mapping[str, Json]) -> bool:
    return type(value.get("blob")) is int and set(value) <= {"blob", "before"}


def _is_part(frame: Json) -> bool:
    """Whether a frame is the part of one blob, or its hole, and nothing around it."""
    kinds = (*_KINDS, "image_url", "input_image", "input_audio", "resource")
    return isinstance(frame, Mapping) and (_is_hole(frame) or frame.get("type") in kinds)


def _is_result(frame: Mapping[str, Json]) -> bool:
    """Whether it is a tool's result, of Anthropic's shape or MCP's, and holds nothing but parts."""
    around = {"type", "tool_use_id", "content", "isError", "is_error"}
    return isinstance(frame.get("content"), list) and set(frame) <= around


def _holes(frame: Json) -> Iterator[int]:
    if isinstance(frame, Mapping):
        if _is_hole(frame):
            yield frame["blob"]
        for item in frame.values():
            yield from _holes(item)
    elif isinstance(frame, list):
        for item in frame:
            yield from _holes(item)
