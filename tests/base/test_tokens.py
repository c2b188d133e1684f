"""Tokenizers by name: local files alone, exact counts, and what is said when one is missing."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from dataclasses import replace
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import FunctionType

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from tiktoken import Encoding
from tiktoken_ext import openai_public

import pagefault
from pagefault.base.errors import InvalidArgument
from pagefault.base.tokens import (
    Exact,
    VocabularyMissing,
    fetch_vocabulary,
    find_vocabulary,
    open_tokenizer,
    tiktoken_cache,
)
from pagefault.base.vocabulary import VOCABULARIES, download

MERGES = [b"th", b"the", b" t", b" th", b" the", b"in", b"ing", b" m", b"or", b" mor", b"xx"]
RANKS = {token: rank for rank, token in enumerate([*(bytes([b]) for b in range(256)), *MERGES])}
DATA = b"".join(b64encode(token) + b" %d\n" % rank for token, rank in RANKS.items())
SHA256 = sha256(DATA).hexdigest()
KNOWN = {
    name: replace(VOCABULARIES[name], size=len(DATA), sha256=SHA256)
    for name in ("o200k_base", "cl100k_base")
}
FILE = KNOWN["o200k_base"].file


def reference():
    """tiktoken itself on the tiny vocabulary."""
    pattern = KNOWN["o200k_base"].pattern
    return Encoding("tiny", pat_str=pattern, mergeable_ranks=RANKS, special_tokens={})


def exact():
    return Exact("o200k_base", reference())


@pytest.fixture
def folder(tmp_path):
    """A vocabulary folder that holds the tiny one under the name of o200k_base."""
    home = tmp_path / "vocabularies"
    home.mkdir()
    (home / FILE).write_bytes(DATA)
    return home


@pytest.fixture
def offline(monkeypatch):
    """No socket can be made."""

    def refuse(*args, **kwargs):
        pytest.fail("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)


def test_an_encoding_counts_as_tiktoken_does(folder):
    tokenizer = open_tokenizer("o200k_base", folder, known=KNOWN)
    assert (tokenizer.name, tokenizer.exact) == ("o200k_base", True)
    assert tokenizer.count("") == 0
    assert tokenizer.count("the the morning") == 5  # the| the| mor|n|ing
    assert tokenizer.count("ключ") == 8  # no merge: bytes


def test_the_estimate_opens_without_any_file(tmp_path):
    tokenizer = open_tokenizer("estimate", tmp_path / "nowhere")
    assert (tokenizer.name, tokenizer.exact) == ("estimate", False)
    assert tokenizer.count("the morning") > 0


def test_opening_finding_and_counting_open_no_socket(folder, tmp_path, offline):
    assert find_vocabulary(folder, known=KNOWN) == "o200k_base"
    assert open_tokenizer("o200k_base", folder, known=KNOWN).count("the " * 5000) > 0
    assert open_tokenizer("estimate", folder).count("the " * 5000) > 0
    with pytest.raises(VocabularyMissing):
        open_tokenizer("cl100k_base", tmp_path, known=KNOWN)


def test_finding_does_not_import_tiktoken(tmp_path):
    code = (
        "import sys; from pathlib import Path; from pagefault.base import tokens\n"
        "tokens.find_vocabulary(Path(sys.argv[1])); tokens.open_tokenizer('estimate', Path())\n"
        "sys.exit('tiktoken' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(pagefault.__file__).parents[1])}
    command = [sys.executable, "-c", code, str(tmp_path)]
    assert subprocess.run(command, env=environment, timeout=60).returncode == 0


def test_special_tokens_in_a_text_are_plain_text():
    assert exact().count("<|endoftext|>") == len("<|endoftext|>")


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_string_can_be_counted_and_clipped(text):
    tokenizer = exact()
    assert (tokenizer.count(text) == 0) == (text == "")
    assert text.startswith(tokenizer.clip(text, 3))


def test_a_lone_surrogate_is_counted_as_the_sign_that_replaces_it():
    assert exact().count("\ud800") == exact().count("\ufffd")


@settings(deadline=None)
@given(st.lists(st.sampled_from(["the", "morning", "x", "7", "\n", "  ", ", "]), max_size=12))
def test_a_long_text_of_words_counts_as_in_one_piece(words):
    text = (" ".join(words) + " the morning\n") * 200
    assert exact().count(text) == len(reference().encode_ordinary(text))


def test_the_encoder_never_gets_more_than_a_piece():
    given_to_it = []

    class Recorder:
        def encode_ordinary(self, text):
            given_to_it.append(text)
            return [0] * len(text)

    tokenizer = Exact("o200k_base", Recorder())
    text = "x" * 50_000 + " the" * 5000 + "\n" * 9000
    assert tokenizer.count(text) == len(text)
    assert "".join(given_to_it) == text
    assert max(map(len, given_to_it)) <= 4096


@pytest.mark.parametrize("unit", ["x", " ", "\n ", "a  ", "中", "👍", "e\u0301", "\ud800", "'s"])
def test_a_million_characters_without_a_seam_are_counted(unit):
    text = unit * (1_000_000 // len(unit))
    assert exact().count(text) >= len(text) // 4096
    clipped = exact().clip(text, 100)
    assert text.startswith(clipped)
    assert 0 < exact().count(clipped) <= 100


texts = st.text(alphabet="thein mor\n,x7é👍\u0301", max_size=60) | st.text(max_size=60)


@settings(deadline=None)
@given(texts, st.integers(1, 300), st.integers(-1, 400))
def test_an_exact_clip_is_a_prefix_within_the_limit(text, times, limit):
    text *= times
    clipped = exact().clip(text, limit)
    assert text.startswith(clipped)
    assert exact().count(clipped) <= max(limit, 0)
    if exact().count(text) <= limit:
        assert clipped == text


def test_an_exact_clip_uses_the_limit_up_to_a_word():
    text = "the morning " * 3000
    clipped = exact().clip(text, 5000)
    assert 4995 <= exact().count(clipped) <= 5000
    assert not clipped[-1:].isalpha() or not text[len(clipped)].isalpha()


def test_a_missing_vocabulary_names_the_encoding_the_rule_and_the_command(tmp_path):
    with pytest.raises(VocabularyMissing) as failure:
        open_tokenizer("o200k_base", tmp_path / "own", caches=[tmp_path / "cache"])
    message = str(failure.value)
    assert isinstance(failure.value, LookupError)
    assert "o200k_base" in message
    assert "local files only" in message
    assert "`pagefault vocabulary o200k_base`" in message
    assert str(tmp_path / "own") in message
    assert str(tmp_path / "cache") in message


def test_a_damaged_vocabulary_counts_as_missing(folder):
    (folder / FILE).write_bytes(DATA.replace(b"dGhl 257", b"dGhl 258"))
    assert (folder / FILE).stat().st_size == len(DATA)
    with pytest.raises(VocabularyMissing):
        open_tokenizer("o200k_base", folder, known=KNOWN)


def test_an_undamaged_copy_in_a_cache_is_used_instead(folder, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    (folder / FILE).rename(cache / FILE)
    (folder / FILE).write_bytes(b"x" * len(DATA))
    tokenizer = open_tokenizer("o200k_base", folder, caches=[cache], known=KNOWN)
    assert tokenizer.count("the") == 1


def test_a_vocabulary_opened_once_outlives_the_cache_it_came_from(folder, tmp_path):
    own = tmp_path / "own"
    open_tokenizer("o200k_base", own, caches=[folder], known=KNOWN)
    (folder / FILE).unlink()
    assert open_tokenizer("o200k_base", own, caches=[folder], known=KNOWN).count("the") == 1
    assert [path.name for path in own.iterdir()] == [FILE]


def test_a_cache_serves_where_no_copy_can_be_kept(folder, tmp_path):
    occupied = tmp_path / "a file, not a folder"
    occupied.touch()
    tokenizer = open_tokenizer("o200k_base", occupied, caches=[folder], known=KNOWN)
    assert tokenizer.count("the") == 1


def test_a_copy_that_tiktoken_downloaded_is_used(folder, tmp_path):
    name = sha1(KNOWN["o200k_base"].url.encode()).hexdigest()
    cache = tmp_path / "data-gym-cache"
    cache.mkdir()
    (folder / FILE).rename(cache / name)
    assert find_vocabulary(folder, caches=[cache], known=KNOWN) == "o200k_base"
    assert open_tokenizer("o200k_base", folder, caches=[cache], known=KNOWN).count("the") == 1


def test_an_unknown_encoding_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(InvalidArgument, match=r"'o300k'.*o200k_base.*estimate"):
        open_tokenizer("o300k", tmp_path)
    with pytest.raises(InvalidArgument):
        fetch_vocabulary("o300k", tmp_path)


def test_the_newest_vocabulary_is_found_first(folder):
    (folder / KNOWN["cl100k_base"].file).write_bytes(DATA)
    assert find_vocabulary(folder, known=KNOWN) == "o200k_base"
    (folder / FILE).unlink()
    assert find_vocabulary(folder, known=KNOWN) == "cl100k_base"


def test_nothing_is_found_where_nothing_whole_is(folder):
    assert find_vocabulary(folder / "absent", known=KNOWN) is None
    (folder / FILE).write_bytes(DATA[:-1])
    assert find_vocabulary(folder, known=KNOWN) is None
    (folder / FILE).unlink()
    (folder / FILE).mkdir()
    assert find_vocabulary(folder, caches=[Path(__file__)], known=KNOWN) is None


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"TIKTOKEN_CACHE_DIR": "one", "DATA_GYM_CACHE_DIR": "two"}, Path("one")),
        ({"DATA_GYM_CACHE_DIR": "two"}, Path("two")),
        ({}, Path("temp/data-gym-cache")),
        ({"TIKTOKEN_CACHE_DIR": ""}, Path("temp/data-gym-cache")),
    ],
)
def test_the_cache_of_tiktoken_is_where_its_variables_say(environ, expected):
    assert tiktoken_cache(environ, Path("temp")) == expected


def test_a_fetched_vocabulary_is_kept_whole_and_can_be_opened(tmp_path):
    asked = []

    def published(url, limit):
        asked.append((url, limit))
        return DATA

    home = tmp_path / "new" / "folder"
    path = fetch_vocabulary("o200k_base", home, known=KNOWN, download=published)
    assert path.read_bytes() == DATA
    assert list(home.iterdir()) == [path]
    assert asked == [(KNOWN["o200k_base"].url, len(DATA) + 1)]
    assert open_tokenizer("o200k_base", home, known=KNOWN).count("the") == 1


def test_a_vocabulary_that_is_there_is_not_fetched_again(folder, offline):
    assert fetch_vocabulary("o200k_base", folder, known=KNOWN) == folder / FILE


@pytest.mark.parametrize("reply", [b"", DATA[:-1], DATA + b"!", b"<html>sign in</html>"])
def test_bytes_that_were_not_published_are_not_kept(tmp_path, reply):
    with pytest.raises(VocabularyMissing, match=f"must be {SHA256}.*`pagefault vocabulary"):
        fetch_vocabulary("o200k_base", tmp_path, known=KNOWN, download=lambda url, limit: reply)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_download_says_why_and_what_to_do(tmp_path):
    def unreachable(url, limit):
        raise ConnectionRefusedError(111, "Connection refused")

    with pytest.raises(VocabularyMissing, match=f"Connection refused.*again, or copy {FILE}"):
        fetch_vocabulary("o200k_base", tmp_path, known=KNOWN, download=unreachable)


def test_a_full_disk_leaves_no_half_vocabulary(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        fetch_vocabulary("o200k_base", tmp_path, known=KNOWN, download=lambda url, limit: DATA)
    assert list(tmp_path.iterdir()) == []


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/there" else 404)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(b"0123456789")

    def log_message(self, *args):
        pass


def test_a_download_reads_no_more_than_asked_and_fails_as_an_os_error():
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            url = f"http://127.0.0.1:{server.server_port}"
            assert download(f"{url}/there", 4) == b"0123"
            with pytest.raises(OSError, match="404") as failure:
                download(f"{url}/absent", 4)
            failure.value.close()
        finally:
            server.shutdown()
            thread.join()


PUBLISHED = [name for name in VOCABULARIES if name != "gpt2"]  # it has another file format


@pytest.mark.parametrize("name", PUBLISHED)
def test_our_table_agrees_with_the_installed_tiktoken(name):
    asked = []

    def note(url, expected_hash):
        asked.append((url, expected_hash))
        return {}

    # tiktoken's own definitions, run with a loader that reads nothing.
    names = {**vars(openai_public), "load_tiktoken_bpe": note}
    for each in PUBLISHED:
        names[each] = FunctionType(getattr(openai_public, each).__code__, names)
    definition = names[name]()
    vocabulary = VOCABULARIES[name]
    assert asked == [(vocabulary.url, vocabulary.sha256)]
    sample = "It's  the HTTPServer's 12345 tests,\r\n\n\t  don't!  //\n日本語 ﬁnd émigré's\n  "
    assert regex.findall(definition["pat_str"], sample) == regex.findall(vocabulary.pattern, sample)
