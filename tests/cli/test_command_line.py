"""The command line itself: which command runs, what is refused, and with which exit code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pagefault import __version__
from pagefault.cli.arguments import COMMANDS, parse
from pagefault.surface.transport.tokens import load_tokens

Command = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        ([], "serve"),
        (["--store", "doctor"], "serve"),
        (["serve", "--http"], "serve"),
        (["doctor"], "doctor"),
        (["import", "serve"], "import"),
    ],
)
def test_the_first_word_names_the_command_and_none_is_serve(
    arguments: list[str], command: str
) -> None:
    assert parse(arguments)[0].name == command


def test_help_lists_every_command(pagefault: Command) -> None:
    done = pagefault("--help")
    assert done.code == 0
    for entry in COMMANDS:
        assert f"\n    {entry.name}" in done.out


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_every_command_explains_its_options(pagefault: Command, entry: Any) -> None:
    done = pagefault(entry.name, "--help")
    assert done.code == 0
    assert done.out.startswith(f"usage: pagefault {entry.name}")
    assert ("--budget-tokens" in done.out) == (entry.settings or entry.name == "demo")


def test_the_version_is_told(pagefault: Command) -> None:
    assert pagefault("--version").out == f"pagefault {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["levitate"],
        ["--no-such-option"],
        ["doctor", "--no-such-option"],
        ["import"],
        ["doctor", "--budget-tokens", "many"],
        ["doctor", "--config", "none.toml"],
        ["token", "a b"],
    ],
)
def test_a_wrong_call_is_explained_and_ends_with_two(
    pagefault: Command, arguments: list[str]
) -> None:
    done = pagefault(*arguments)
    assert done.code == 2
    assert "pagefault" in done.err
    assert "Traceback" not in done.err


def test_the_overview_imports_no_command_and_none_of_its_rooms() -> None:
    code = (
        "import sys, pagefault.cli\n"
        "try: pagefault.cli.run(['--help'])\n"
        "except SystemExit: pass\n"
        "print(*sorted(m for m in sys.modules if m.startswith('pagefault.') or m == 'mcp'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    )
    assert set(done.stdout.splitlines()[-1].split()) == {
        "pagefault.base",
        "pagefault.base.config",
        "pagefault.base.errors",
        "pagefault.cli",
        "pagefault.cli.arguments",
    }


def test_a_token_and_its_line_open_the_same_door(pagefault: Command, tmp_path: Path) -> None:
    made = pagefault("token", "ada@example.org", "--json").json
    file = tmp_path / "tokens"
    file.write_text(made["line"] + "\n")
    file.chmod(0o600)
    assert list(load_tokens(file).values()) == ["ada@example.org"]
    assert made["token"] not in file.read_text()
    assert pagefault("token", "--json").json["principal"] == "local"
    assert "local sha256:" in pagefault("token").out


@pytest.mark.parametrize("name", ["x" * 128, "a", "0.b_c@d-e"])
def test_every_principal_that_a_token_is_made_for_can_stand_in_the_file(
    pagefault: Command, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "tokens"
    file.write_text(pagefault("token", name, "--json").json["line"])
    file.chmod(0o600)
    assert list(load_tokens(file).values()) == [name]


def test_a_vocabulary_without_a_network_is_a_clear_error(child: Command) -> None:
    nowhere = "http://127.0.0.1:9"
    done = child("vocabulary", "o200k_base", https_proxy=nowhere, HTTPS_PROXY=nowhere)
    assert done.code == 1
    assert done.err.startswith("pagefault: vocabulary_missing: the vocabulary of o200k_base could")
    assert "Check the network" in done.err


def test_an_encoding_that_does_not_exist_is_refused_with_those_that_do(child: Command) -> None:
    done = child("vocabulary", "klingon")
    assert done.code == 1
    assert "o200k_base" in done.err


def test_serving_beyond_this_machine_without_tokens_is_refused(child: Command) -> None:
    done = child("serve", "--http", "--host", "0.0.0.0", "--store", "sqlite://:memory:")
    assert done.code == 1
    assert done.err.startswith("pagefault: refused: ")
    assert "--token-file" in done.err
