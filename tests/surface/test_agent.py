"""A real agent framework works through the checks of its calls, over stdio.

The framework is no dependency of ours: name an interpreter that has openai-agents in
PAGEFAULT_AGENTS_PYTHON, or install it beside us.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import pagefault

AGENT = Path(__file__).with_name("agent.py")
PYTHON = os.environ.get("PAGEFAULT_AGENTS_PYTHON", sys.executable if find_spec("agents") else "")


@pytest.mark.skipif(not PYTHON, reason="openai-agents is not installed (PAGEFAULT_AGENTS_PYTHON)")
def test_an_agent_uses_a_binding_is_stopped_in_a_circle_and_uses_a_fix_of_another_session(
    tmp_path: Path,
) -> None:
    ours = f"import sys; sys.path.insert(0, {str(Path(pagefault.__file__).parents[1])!r})"
    start = f"{ours}; from pagefault.__main__ import main; main()"
    command = [sys.executable, "-c", start, "--store", str(tmp_path / "memory.db")]
    done = subprocess.run(
        [PYTHON, str(AGENT), *command, "--workspace", "default"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    one, two = json.loads(done.stdout)

    assert one["reference"] == "$v1"
    assert one["given"] == {"price": 12.5, "count": 2}
    assert one["total"] == 25

    assert one["stopped"]["verdict"] == "block"
    assert one["rounds"] == one["calls"].count("status") == 4
    assert "same result 4 times" in one["stopped"]["reason"]
    assert one["booked"] == "A-17 is booked"

    assert "add region" in " ".join(two["experience"])
    assert two["fix"]["example"]["fixed"] == {"order": "A-17", "region": "eu"}
    assert two["calls"].count("book") == 1
    assert two["booked"] == "A-17 is booked"
