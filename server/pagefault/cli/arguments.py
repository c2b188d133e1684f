"""The command line: commands, their options, and the settings that each may be given.

The command is the first word. Only its own module is imported and only its own parser is built,
since a client waits for `serve` at every start.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from .. import __version__
from ..base.config import SETTINGS

if TYPE_CHECKING:
    from .setting_up import SetUp

    Command = Callable[[SetUp, Namespace], int]

_DESCRIPTION = (
    "A language model's virtual memory, served over MCP. Without a command it serves stdio; "
    "at a terminal it says how to connect a client."
)
_EPILOG = "`pagefault COMMAND --help` shows a command's options and settings."


@dataclass(frozen=True, slots=True)
class Entry:
    """A command: its name, one line of help, and the module that has `run` and `add_options`.

    ``settings``: whether it takes the options of `base.config.SETTINGS`.
    """

    name: str
    help: str
    module: str
    settings: bool = True

    def load(self) -> Command:
        """The command itself."""
        command: Command = import_module(f".{self.module}", __package__).run
        return command

    def parser(self) -> ArgumentParser:
        """The parser of this command's own options."""
        parser = ArgumentParser(
            prog=f"pagefault {self.name}", description=self.help, allow_abbrev=False
        )
        import_module(f".{self.module}", __package__).add_options(parser)
        if self.settings:
            _add_settings(parser)
        return parser


COMMANDS: Sequence[Entry] = (
    Entry("serve", "serve MCP over stdio, or over HTTP with --http", "serve"),
    Entry("demo", "show the real server at work on a shipped conversation", "demo", settings=False),
    Entry("doctor", "check this machine, the settings and the data, and say what to do", "doctor"),
    Entry("import", "read a conversation, or an export of pagefault, into the memory", "importing"),
    Entry("export", "write a workspace's log and contents as JSON lines", "exporting"),
    Entry("backup", "copy the data file consistently while servers write", "backup"),
    Entry("gc", "free what nothing reaches any more; --dry-run says what that is", "gc"),
    Entry("archive", "keep what nobody has used for long small, and find it last", "archive"),
    Entry("migrate", "move everything from one store into another", "migrate", settings=False),
    Entry("vocabulary", "fetch a tokenizer vocabulary, for exact token counts", "vocabulary"),
    Entry("token", "make a bearer token for serve --http --token-file", "token", settings=False),
)


def parse(arguments: Sequence[str]) -> tuple[Entry, Namespace]:
    """The command to run and its options; `serve` when none is named.

    Exits as argparse does: 0 after --help or --version, 2 with a message for a wrong call.
    """
    first = arguments[0] if arguments else "serve"
    entry = next((entry for entry in COMMANDS if entry.name == first), None)
    if entry is not None:
        return entry, entry.parser().parse_args(arguments[1:])
    if first in ("-h", "--help", "--version") or not first.startswith("-"):
        _overview().parse_args(arguments[:1])
    return COMMANDS[0], COMMANDS[0].parser().parse_args(arguments)


def _overview() -> ArgumentParser:
    parser = ArgumentParser(prog="pagefault", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"pagefault {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND")
    for entry in COMMANDS:
        commands.add_parser(entry.name, help=entry.help)
    return parser


def _add_settings(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("settings")
    group.add_argument("--config", metavar="FILE", help="a TOML file with settings")
    for setting in SETTINGS:
        group.add_argument(setting.flag, dest=setting.name, help=setting.meaning)
