"""Bytes as they are kept: the same bytes come back, or an error."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.base.errors import StoreDamaged
from pagefault.stores.codec import (
    DEFLATED,
    DEFLATED_BARE,
    LZMA,
    RAW,
    Kept,
    keep,
    pack,
    packed,
    restore,
)

contents = st.binary(max_size=3000) | st.binary(min_size=1, max_size=20).map(lambda b: b * 200)


@given(plain=contents)
def test_what_is_kept_comes_back_byte_for_byte(plain: bytes) -> None:
    assert restore(keep(plain), "it") == plain


@given(plain=contents)
def test_what_is_packed_is_smaller_and_comes_back_byte_for_byte(plain: bytes) -> None:
    kept = keep(plain)
    small = pack(kept, "it")
    if small is not None:
        assert len(small.data) < len(kept.data)
        assert small.checksum == kept.checksum
        assert restore(small, "it") == plain
        assert pack(small, "it") is None  # it cannot be packed again


@given(plain=contents.filter(len), data=st.data())
def test_a_changed_bit_of_what_is_packed_is_noticed_or_changes_nothing(
    plain: bytes, data: st.DataObject
) -> None:
    small = pack(keep(plain), "it")
    if small is None:
        return
    changed = bytearray(small.data)
    place = data.draw(st.integers(0, len(changed) - 1))
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        assert restore(replace(small, data=bytes(changed)), "content 7") == plain
    except StoreDamaged:
        return


def test_a_short_text_is_packed_without_a_header_and_a_long_one_by_lzma() -> None:
    short = pack(keep(b"to be or not to be, to be or not to be"), "it")
    assert short is not None
    assert short.codec == DEFLATED_BARE
    words = [f"word {number * number % 977}" for number in range(20_000)]
    long = pack(keep(" ".join(words).encode()), "it")
    assert long is not None
    assert long.codec == LZMA


def test_what_is_damaged_is_not_packed() -> None:
    sound = keep(b"a text that is long enough " * 9)
    damaged = replace(sound, data=sound.data[:-1])
    assert packed({1: damaged, 2: sound}).keys() == {2}


@given(plain=contents.filter(len), data=st.data())
def test_a_changed_bit_is_noticed_or_changes_nothing(plain: bytes, data: st.DataObject) -> None:
    kept = keep(plain)
    place = data.draw(st.integers(0, len(kept.data) - 1))
    changed = bytearray(kept.data)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        served = restore(replace(kept, data=bytes(changed)), "content 7")
    except StoreDamaged:
        return
    assert kept.codec == DEFLATED  # where a bit may say nothing
    assert served == plain


@given(plain=contents.filter(len))
def test_a_cut_is_noticed(plain: bytes) -> None:
    kept = keep(plain)
    with pytest.raises(StoreDamaged):
        restore(replace(kept, data=kept.data[:-1]), "it")


def test_what_does_not_become_smaller_is_kept_as_it_is() -> None:
    assert keep(b"short").codec == RAW
    assert keep(b"long and dull " * 1000).codec == DEFLATED
    assert len(keep(b"long and dull " * 1000).data) < 1000


def test_what_a_later_version_wrote_is_not_guessed_at() -> None:
    with pytest.raises(StoreDamaged):
        restore(Kept(99, b"0" * 16, b"data"), "it")
