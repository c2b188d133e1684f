"""Recordings in fewer words: what was said when, by transcripts of several kinds."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.memory.making import count, prose

from pagefault.base.page import Page
from pagefault.paging.levels import Made, Source, compute
from pagefault.paging.levels.transcript import Cue, read_cues

VTT = """WEBVTT

NOTE nobody reads this

intro
00:01.000 --> 00:04.500 align:start
<v Anna>Good morning,
everyone

01:02:03.250 --> 01:02:05.000
and goodbye
"""
SRT = (
    "1\r\n00:00:01,000 --> 00:00:04,500\r\nGood morning\r\n\r\n"
    "2\r\n01:02:03,250 --> 01:02:05,000\r\nand goodbye\r\n"
)
SEGMENTS = json.dumps(
    {"text": "…", "segments": [{"start": 1, "end": 4.5, "text": " Good morning"}, {"id": 7}]}
)


def transcript(scenes: int = 12, cues: int = 6) -> str:
    """Scenes of some minutes, each with a word of its own and a pause before it."""
    said = ["WEBVTT"]
    for scene in range(scenes):
        for cue in range(cues):
            start = scene * 100 + cue * 5
            head = f"Chapter {scene} begins. " if cue == 0 else ""
            times = f"{start // 60:02}:{start % 60:02}.000 --> {start // 60:02}:{start % 60:02}.900"
            said.append(f"{times}\n{head}{prose(30, scene * 100 + cue)}")
    return "\n\n".join(said)


def level(text: str, number: int, modality: str = "audio", above: int | None = None) -> Made | None:
    tokens = count(text)
    page = Page("art_1", "artifact", modality, "s1", 1, 1, tokens, 9, 0.5, "tool", 1, 0.0)
    return compute(Source(page, text, count), number, above or tokens)


@pytest.mark.parametrize(
    ("text", "cues"),
    [
        (VTT, [Cue(1.0, 4.5, "Good morning, everyone"), Cue(3723.25, 3725.0, "and goodbye")]),
        (SRT, [Cue(1.0, 4.5, "Good morning"), Cue(3723.25, 3725.0, "and goodbye")]),
        (SEGMENTS, [Cue(1.0, 4.5, "Good morning")]),
        ("[0:05] Hello\nand so on\n1:02:03 Bye", [Cue(5, 5, "Hello"), Cue(3723, 3723, "Bye")]),
        ("no times at all, only 3:1 odds", []),
        ('{"segments": 5}', []),
    ],
)
def test_what_was_said_when_is_read(text: str, cues: list[Cue]) -> None:
    assert read_cues(text) == cues


def test_level_1_has_the_head_of_every_scene_with_its_time() -> None:
    made = level(transcript(), 1)
    assert made is not None
    assert made.origin == "transcript/1"
    for scene in range(12):
        start = scene * 100
        assert f"[{start // 60}:{start % 60:02}] Chapter {scene} begins." in made.text


def test_level_2_says_how_long_it_is_and_has_no_timestamps() -> None:
    made = level(transcript(), 2, "video")
    assert made is not None
    assert made.text.startswith("[video, 18:45] ")
    assert "-->" not in made.text


def test_the_stub_is_made_of_words_and_not_of_times() -> None:
    made = level(transcript(), 3)
    assert made is not None
    assert not {"WEBVTT", "-->", "000"} & set(made.text.split())


def test_every_level_is_smaller_than_the_one_above() -> None:
    for text in (transcript(), SEGMENTS.replace("Good morning", prose(900)), prose(900)):
        sizes = [count(text)]
        for number in (1, 2, 3):
            made = level(text, number, above=sizes[-1])
            assert made is not None
            assert made.tokens == count(made.text)
            sizes.append(made.tokens)
        assert sizes == sorted(set(sizes), reverse=True)


@given(
    st.lists(st.sampled_from(["00:01.0", " --> ", "\n", "\n\n", "x y", "[1:02] ", "{", "WEBVTT"]))
)
def test_no_transcript_makes_it_fail(pieces: list[str]) -> None:
    text = "".join(pieces) + prose(200)
    for number in (1, 2, 3):
        level(text, number)
