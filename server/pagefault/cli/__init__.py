"""The door for people: one file a command, one line in `arguments.COMMANDS`."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from ..base.errors import InvalidArgument, PagefaultError
from .arguments import Entry, parse

FAILED = 1
MISUSED = 2
INTERRUPTED = 130


def run(arguments: Sequence[str]) -> int:
    """Run a command line; the exit code is 0, 1 for a failure, 2 for a call that is wrong."""
    entry, options = parse(arguments)
    try:
        return _run(entry, options)
    except PagefaultError as error:
        print(f"pagefault: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forsake_stdout()
        return FAILED


def _run(entry: Entry, options: Namespace) -> int:
    from .setting_up import set_up  # the overview of commands does without it

    command = entry.load()
    try:
        ready = set_up(options)
    except InvalidArgument as error:
        print(f"pagefault: {error}", file=sys.stderr)
        return MISUSED
    code = command(ready, options)
    if sys.stdout is not None:
        sys.stdout.flush()
    return code


def _forsake_stdout() -> None:
    """Nobody reads stdout any more: what is still buffered must not raise again at the exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
