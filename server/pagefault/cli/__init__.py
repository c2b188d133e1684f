"""The door for people: one file a command, one line in `COMMANDS`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..base.errors import PagefaultError
from .arguments import parse

FAILED = 1
MISUSED = 2


def run(arguments: Sequence[str]) -> int:
    """Run a command line; the exit code is 0, 1 for a failure, 2 for a call that is wrong."""
    command, options = parse(arguments)
    try:
        return command(options)
    except PagefaultError as error:
        print(f"pagefault: {error}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        return 130
