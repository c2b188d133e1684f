"""The file that says whose token is whose."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.surface.transport.tokens import (
    TokenFile,
    TokenFileError,
    hash_token,
    load_tokens,
    new_token,
)

POSIX_ONLY = pytest.mark.skipif(os.name != "posix", reason="permission bits are POSIX")


def write(path, *lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path


def line(principal, token):
    return f"{principal} sha256:{hash_token(token)}"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokens"


def test_new_tokens_differ_and_are_safe_in_a_header():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"pf_[A-Za-z0-9_-]{43}", token) for token in tokens)


def test_a_hash_is_the_sha256_that_other_tools_compute():
    # printf abc | sha256sum
    assert hash_token("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_comments_and_blank_lines_are_skipped_and_a_principal_may_have_two_tokens(path):
    write(path, "# who may come in", "", line("ann", "a1"), "  " + line("ann", "a2"), "", "  # end")
    assert load_tokens(path) == {hash_token("a1"): "ann", hash_token("a2"): "ann"}


def test_upper_case_hex_is_the_same_hash(path):
    write(path, f"ann sha256:{hash_token('a').upper()}")
    assert TokenFile(path).principal("a") == "ann"


@given(owners=st.dictionaries(st.text(max_size=20), st.sampled_from(["ann", "bob"]), min_size=1))
def test_every_listed_token_finds_its_owner_and_no_other_token_does(tmp_path_factory, owners):
    path = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens = TokenFile(write(path, *(line(name, token) for token, name in owners.items())))
    assert {token: tokens.principal(token) for token in owners} == owners
    assert tokens.principal("".join(owners) + "!") is None


@pytest.mark.parametrize(
    "bad",
    [
        "ann",
        "ann pf_pasted_by_mistake",
        "ann sha256:abc",
        "ann sha256:" + "g" * 64,
        f"ann sha256:{'0' * 64} expires tomorrow",
        f"two words sha256:{'0' * 64}",
        f"-ann sha256:{'0' * 64}",
        f"{'a' * 129} sha256:{'0' * 64}",
    ],
)
def test_a_bad_line_is_named_by_number_and_never_quoted(path, bad):
    write(path, line("bob", "b"), bad)
    with pytest.raises(TokenFileError, match=r"line 2 .*is not `principal sha256:") as caught:
        load_tokens(path)
    assert bad.split()[-1] not in str(caught.value)


def test_one_token_for_two_principals_is_refused(path):
    write(path, line("ann", "same"), line("bob", "same"))
    with pytest.raises(TokenFileError, match=r"line 2 .*another principal"):
        load_tokens(path)


def test_a_file_without_tokens_is_refused(path):
    with pytest.raises(TokenFileError, match="holds no token"):
        load_tokens(write(path, "# nobody yet"))


def test_a_missing_file_is_refused_with_its_path(path):
    with pytest.raises(TokenFileError, match=re.escape(str(path))):
        TokenFile(path)


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(TokenFileError, match="not a regular file"):
        load_tokens(tmp_path)


def test_a_file_that_is_not_text_is_refused(path):
    path.write_bytes(b"\xff\xfe\x00")
    path.chmod(0o600)
    with pytest.raises(TokenFileError, match="cannot be read"):
        load_tokens(path)


@POSIX_ONLY
@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o666])
def test_a_file_open_to_every_user_is_refused_with_the_command_that_closes_it(path, mode):
    write(path, line("ann", "a")).chmod(mode)
    with pytest.raises(TokenFileError, match=f"mode {mode:04o}.*chmod 600"):
        load_tokens(path)


@POSIX_ONLY
@pytest.mark.parametrize("mode", [0o400, 0o600, 0o640])
def test_a_file_closed_to_other_users_is_accepted(path, mode):
    write(path, line("ann", "a")).chmod(mode)
    assert load_tokens(path) == {hash_token("a"): "ann"}


def test_tokens_come_and_go_with_the_file(path):
    tokens = TokenFile(write(path, line("ann", "a")))
    assert (tokens.principal("a"), tokens.principal("b")) == ("ann", None)
    write(path, "# ann left", line("bob", "b"))
    assert (tokens.principal("a"), tokens.principal("b")) == (None, "bob")


def test_an_unchanged_file_is_not_read_again(path):
    tokens = TokenFile(write(path, line("eve", "e"), "# and somebody else"))
    write(path, line("ann", "a"))
    assert tokens.principal("a") == "ann"
    seen = path.stat()
    write(path, line("bob", "b"))  # as long as before
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert tokens.principal("a") == "ann"


def test_nobody_is_let_in_while_the_changed_file_is_broken_and_all_are_once_it_is_whole(path):
    tokens = TokenFile(write(path, line("ann", "a")))
    write(path, "ann sha256:half-written")
    for _ in range(2):
        with pytest.raises(TokenFileError):
            tokens.principal("a")
    path.unlink()
    with pytest.raises(TokenFileError):
        tokens.principal("a")
    write(path, line("ann", "a"))
    assert tokens.principal("a") == "ann"


@POSIX_ONLY
def test_a_file_opened_to_every_user_while_serving_counts_no_more(path):
    tokens = TokenFile(write(path, line("ann", "a")))
    path.chmod(0o644)
    with pytest.raises(TokenFileError, match="open to every user"):
        tokens.principal("a")
