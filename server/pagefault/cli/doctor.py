"""``pagefault doctor``: the settings in force, what was checked, and what to do about it."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .. import __version__
from ..base.config import SETTINGS
from ..memory.opening import store_url
from .checks import findings
from .finding import Finding
from .repairing import repaired
from .screen import Screen
from .setting_up import shown

if TYPE_CHECKING:
    from .setting_up import SetUp

_UNHEALTHY = 1
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


def add_options(parser: ArgumentParser) -> None:
    """The options of ``doctor``."""
    parser.add_argument(
        "--repair",
        action="store_true",
        help="first make anew what is derived: index, residency, counters, computed levels",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")


def run(ready: SetUp, options: Namespace) -> int:
    """Check everything; 1 when something fails. Nothing is changed but what ``--repair`` mends."""
    settings = _settings(ready)
    mended = repaired(ready) if options.repair else []
    if options.json:
        found = [*mended, *findings(ready)]
        print(json.dumps(_as_json(settings, found), indent=2))
    else:
        found = _print(Screen.of_stdout(), ready, settings, mended)
    return _UNHEALTHY if any(finding.state == "fail" for finding in found) else 0


def _settings(ready: SetUp) -> list[tuple[str, str, str]]:
    """Name, value and origin of every setting."""
    settings, origins = ready.resolved.settings, ready.resolved.origins
    in_force = replace(settings, store=shown(store_url(settings, ready.folders)))
    rows = []
    for setting in SETTINGS:
        value = getattr(in_force, setting.name)
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        rows.append((setting.name, text, origins[setting.name]))
    return rows


def _as_json(
    settings: Sequence[tuple[str, str, str]], found: Sequence[Finding]
) -> dict[str, object]:
    return {
        "version": __version__,
        "healthy": all(finding.state != "fail" for finding in found),
        "settings": {name: {"value": value, "from": origin} for name, value, origin in settings},
        "checks": [
            {
                "state": finding.state,
                "what": finding.what,
                "found": finding.found,
                "advice": finding.advice,
            }
            for finding in found
        ],
    }


def _print(
    screen: Screen,
    ready: SetUp,
    settings: Sequence[tuple[str, str, str]],
    mended: Sequence[Finding],
) -> list[Finding]:
    screen.heading(f"pagefault {__version__}: settings (file: {ready.config})")
    for name, value, origin in settings:
        screen.say(f"  {name:<22} {value or '-':<24} {origin}")
    if mended:
        screen.heading("Repair")
        for finding in mended:
            _say(screen, finding)
    screen.heading("Checks")
    found = list(mended)
    for finding in findings(ready):  # each as it is made: a large file takes a while
        found.append(finding)
        _say(screen, finding)
    return found


def _say(screen: Screen, finding: Finding) -> None:
    word = "FAIL" if finding.state == "fail" else finding.state
    mark = screen.paint(f"{word:<4}", _COLOURS[finding.state])
    screen.say(f"  {mark}  {finding.what:<16} {finding.found}")
    if finding.advice:
        screen.say(f"        {'':<16} -> {finding.advice}")
