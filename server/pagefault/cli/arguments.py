"""The command line: commands, their options, and the settings that each may be given."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from .. import __version__
from ..base.config import SETTINGS

Command = Callable[[Namespace], int]


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: its name, one line of help, and the module that has `run` and `add_options`."""

    name: str
    help: str
    module: str

    def load(self) -> Command:
        """The command itself; its module is imported only when it runs."""
        command: Command = import_module(f".{self.module}", __package__).run
        return command


COMMANDS: Sequence[Entry] = (
    Entry("serve", "serve MCP over stdio, or over HTTP with --http", "serve"),
)


def parse(arguments: Sequence[str]) -> tuple[Command, Namespace]:
    """The command to run and its options; `serve` when none is named."""
    parser = _parser()
    names = {entry.name for entry in COMMANDS}
    named = next((word for word in arguments if not word.startswith("-")), None)
    if named not in names and not {"-h", "--help", "--version"} & set(arguments):
        arguments = ["serve", *arguments]
    options = parser.parse_args(arguments)
    entry = next(entry for entry in COMMANDS if entry.name == options.command)
    return entry.load(), options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pagefault",
        description="A language model's virtual memory, served over MCP. Without a command it "
        "serves stdio; at a terminal it says how to connect a client.",
    )
    parser.add_argument("--version", action="version", version=f"pagefault {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for entry in COMMANDS:
        one = commands.add_parser(entry.name, help=entry.help, description=entry.help)
        import_module(f".{entry.module}", __package__).add_options(one)
        settings = one.add_argument_group("settings")
        settings.add_argument("--config", metavar="FILE", help="a TOML file with settings")
        for setting in SETTINGS:
            settings.add_argument(setting.flag, dest=setting.name, help=setting.meaning)
    return parser
