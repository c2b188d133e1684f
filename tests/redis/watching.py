"""What a server is asked, and what its scripts call, as MONITOR tells it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.redis.servers import Standalone

_ends = count(1)


@dataclass(frozen=True, slots=True)
class Seen:
    """A command: who sent it, its name, its other words as far as they have no blanks in them."""

    source: str
    by_script: bool
    name: str
    words: tuple[str, ...]


@contextmanager
def watched(server: Standalone) -> Iterator[list[Seen]]:
    """All that the server is asked over TCP meanwhile, in order; the list is filled at the end."""
    seen: list[Seen] = []
    end = f"end-{next(_ends)}"
    with server.client() as client, client.monitor() as monitor:
        yield seen
        client.execute_command("ECHO", end)
        while (command := _command(monitor.next_command())).words != (end,):
            if not command.source.startswith("unix:"):  # the tests' own clients
                seen.append(command)


def _command(told: Any) -> Seen:
    name, *words = told["command"].split(" ")
    by_script = told["client_type"] == "lua"
    source = f"{told['client_address']}:{told['client_port']}"
    return Seen(source, by_script, name.upper(), tuple(words))
