"""What a start pays for: nothing of what a client may never ask for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import pagefault

START = "import pagefault.surface.app, pagefault.memory.opening, sys; print(*sys.modules)"
LATER = (
    "pagefault.bindings.",
    "pagefault.guards.",
    "pagefault.procedures.",
    "pagefault.calls.",
    "pagefault.memory.snapshots",
    "pagefault.memory.messages",
    "pagefault.memory.health",
    "pagefault.paging.levels.text",
    "pagefault.stores.redis",
    "redis",
    "tiktoken",
    "PIL",
    "jsonschema.",
)


@pytest.fixture(scope="module")
def loaded() -> list[str]:
    """The modules that a server's start loads."""
    folder = os.path.dirname(os.path.dirname(pagefault.__file__))
    environment = {**os.environ, "PYTHONPATH": folder}
    done = subprocess.run(
        [sys.executable, "-c", START], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.parametrize("name", LATER)
def test_a_start_does_not_load_what_may_never_be_asked_for(loaded: list[str], name: str) -> None:
    assert not [module for module in loaded if module.startswith(name)]


def test_a_start_loads_the_tools(loaded: list[str]) -> None:
    assert "pagefault.surface.tools.calls" in loaded
