"""The protocol's own conformance suite against the served surface, both requirement sets.

Install it in any folder and put that folder's node_modules/.bin first on PATH:
`npm install node@24 @modelcontextprotocol/conformance@0.2.0-alpha.12`
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.conformance

HERE = Path(__file__).parent
REVISIONS = ("2025-11-25", "2026-07-28")
SECONDS_FOR_ONE_SET = 120


def run_suite(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the suite with the node that lies beside it, when one was installed there."""
    command = shutil.which("conformance")
    if command is None:
        pytest.skip("the conformance suite is not installed (see this file's first lines)")
    beside = f"{Path(command).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [command, *arguments],
        env={**os.environ, "PATH": beside},
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS_FOR_ONE_SET,
        check=False,
    )


def scored_scenarios(revision: str) -> list[str]:
    """Names of the server scenarios that count for a revision, as the suite lists them."""
    listing = run_suite("list", "--requirements", revision)
    if listing.returncode != 0:
        pytest.skip(f"the installed suite does not run or does not know {revision}: needs node 22")
    servers = listing.stdout.partition("Server scenarios")[2].partition("Client scenarios")[0]
    return re.findall(r"^ +- (\S+)$", servers, re.MULTILINE)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server with the suite's fixtures, alive while this module runs."""
    log = tmp_path_factory.mktemp("conformance") / "stderr.log"
    path = os.pathsep.join([str(HERE.parents[1] / "server"), os.environ.get("PYTHONPATH", "")])
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [sys.executable, str(HERE)],
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=errors,
            encoding="utf-8",
        ) as server,
    ):
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert address, f"the server did not start:\n{log.read_text(encoding='utf-8')}"
        yield address
        server.terminate()


@pytest.mark.parametrize("revision", REVISIONS)
def test_every_scored_scenario_of_a_protocol_revision_passes(revision, request):
    scored = scored_scenarios(revision)
    url = request.getfixturevalue("url")  # after the skips: no server when there is no suite
    run = run_suite("server", "--url", url, "--requirements", revision)
    passed = set(re.findall(r"^✓ (\S+): [1-9]\d* passed, 0 failed$", run.stdout, re.MULTILINE))
    assert scored
    assert [name for name in scored if name not in passed] == [], run.stdout
    assert run.returncode == 0, run.stdout
