"""Settings: flags over ``PAGEFAULT_*`` variables over a TOML file over defaults, read once.

The only module that reads the environment. `SETTINGS` is the table that the flags, the
documentation, `doctor` and smithery.yaml are made from.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType

from .errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default; `SETTINGS` says what each means."""

    store: str = ""
    workspace: str = ""
    session: str = ""
    budget_tokens: int = 32_000
    reply_tokens: int = 10_000
    fault_reply_tokens: int = 8_000
    faults_per_turn: int = 3
    fault_tokens_per_turn: int = 8_192
    fault_confidence: str = "speculative"
    protect_turns: int = 2
    refault_damping_turns: int = 3
    mode: str = "relaxed"
    policy: str = "importance"
    compressors: str = ""
    guards: str = "default"
    secrets: str = "note"
    experience_tokens: int = 0
    calls_per_turn: int = 0
    calls_running: int = 0
    tools: tuple[str, ...] = ("paging", "session", "calls", "procedures")
    durability: str = "full"
    redis_timeout_ms: int = 2_500
    redis_replicas: int = 0
    redis_aof: str = "no"
    tokenizer: str = "auto"
    log_level: str = "warning"


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table: the field's name, what it means, what values it takes."""

    name: str
    meaning: str
    read: Callable[[str], object]
    aliases: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """The command-line option."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return "PAGEFAULT_" + self.name.upper()


@dataclass(frozen=True, slots=True)
class Resolved:
    """The settings, where each came from, and what the reader wants to be said."""

    settings: Settings
    origins: Mapping[str, str]
    notes: tuple[str, ...]


def environment() -> Mapping[str, str]:
    """The process's environment, for those who hand it to `resolve` or to a child."""
    return dict(os.environ)


def resolve(
    flags: Mapping[str, str | None], environ: Mapping[str, str], file: Path | None
) -> Resolved:
    """The settings in force. ``flags`` maps field names to what the command line gave.

    Raises:
        InvalidArgument: with the value, its origin, the rule, and what is allowed.
    """
    in_file = _table(file)
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    notes: list[str] = []
    for setting in SETTINGS:
        given = _given(setting, flags, environ, in_file, str(file))
        if given is None:
            origins[setting.name] = "default"
            continue
        text, origin, alias = given
        values[setting.name] = _read(setting, text, origin)
        origins[setting.name] = origin
        if alias:
            notes.append(f"{origin} is an old name: use {setting.variable}")
    return Resolved(Settings(**values), MappingProxyType(origins), tuple(notes))  # type: ignore[arg-type]


def _given(
    setting: Setting,
    flags: Mapping[str, str | None],
    environ: Mapping[str, str],
    in_file: Mapping[str, str],
    file: str,
) -> tuple[str, str, bool] | None:
    """The text that wins, its origin, and whether an old name gave it."""
    if (text := flags.get(setting.name)) is not None:
        return text, setting.flag, False
    for variable in (setting.variable, *setting.aliases):
        if text := environ.get(variable):
            return text, variable, variable in setting.aliases
    if (text := in_file.get(setting.name)) is not None:
        return text, file, False
    return None


def _read(setting: Setting, text: str, origin: str) -> object:
    try:
        return setting.read(text)
    except ValueError as error:
        message = f"{setting.name} is {text!r} (from {origin}): {error}"
        raise InvalidArgument(message) from None


def _table(file: Path | None) -> Mapping[str, str]:
    if file is None or not file.is_file():
        return {}
    import tomllib  # milliseconds of every start, for a file that few have

    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"{file} is not TOML: {error}. Mend or remove it"
        raise InvalidArgument(message) from None
    known = {f.name for f in fields(Settings)}
    unknown = sorted(set(table) - known)
    if unknown:
        message = f"{file} names {unknown[0]!r}, which is no setting. Settings: {', '.join(known)}"
        raise InvalidArgument(message)
    return {name: _as_text(value) for name, value in table.items()}


def _as_text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _text(text: str) -> str:
    return text


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = int(text.replace("_", "")) if text.replace("_", "").isdecimal() else -1
        if not low <= number <= high:
            message = f"give a whole number from {low:,} to {high:,}"
            raise ValueError(message)
        return number

    return read


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in allowed:
            message = f"give one of {', '.join(allowed)}"
            raise ValueError(message)
        return text

    return read


def _some_of(*allowed: str) -> Callable[[str], tuple[str, ...]]:
    def read(text: str) -> tuple[str, ...]:
        if text == "all":
            return allowed
        chosen = [part.strip() for part in text.split(",") if part.strip()]
        if not chosen or set(chosen) - set(allowed):
            message = f"give some of {', '.join(allowed)}, separated by commas"
            raise ValueError(message)
        return tuple(name for name in allowed if name in chosen)

    return read


def _store(text: str) -> str:
    if text == "redis":
        message = "name the store by its URL, such as redis://localhost:6379/0"
        raise ValueError(message)
    return "sqlite://:memory:" if text == "memory" else text


TOOL_GROUPS = ("paging", "session", "calls", "procedures")
CONFIDENCES = ("explicit", "referenced", "speculative")  # that a fault is needed, surest first
SECRETS = ("off", "note", "mask", "refuse")  # what becomes of secrets in what is written
GUARD_PRESETS = ("smooth", "default", "strict")

SETTINGS: Sequence[Setting] = (
    Setting(
        "store",
        "where everything is kept: sqlite:///path, sqlite://:memory:, redis://host:port/0, "
        "rediss://, unix://, redis+cluster://a,b,c (default: a SQLite file in the user's data "
        "folder)",
        _store,
        ("SESSION_REDIS_URL", "SESSION_PROVIDER"),
    ),
    Setting("workspace", "the workspace to use; else by repository, else 'default'", _text),
    Setting("session", "the session to use when a call names none", _text),
    Setting("budget_tokens", "tokens of the working set", _whole(100, 10_000_000)),
    Setting("reply_tokens", "tokens of one reply at most", _whole(500, 1_000_000)),
    Setting("fault_reply_tokens", "tokens of one page_fault at most", _whole(300, 1_000_000)),
    Setting("faults_per_turn", "pages a turn may fault in", _whole(1, 10_000)),
    Setting("fault_tokens_per_turn", "tokens a turn may fault in", _whole(100, 10_000_000)),
    Setting(
        "fault_confidence",
        "how sure a page_fault must be: explicit (the user asked), referenced, or speculative",
        _one_of(*CONFIDENCES),
    ),
    Setting("protect_turns", "turns in which a faulted page is kept before others", _whole(0, 100)),
    Setting(
        "refault_damping_turns",
        "turns in which a page that came back after an eviction is kept",
        _whole(0, 100),
    ),
    Setting("mode", "how the model is told to use memory", _one_of("strict", "relaxed", "passive")),
    Setting("policy", "eviction policy: importance, lru, cost, modality, or module:name", _text),
    Setting(
        "compressors",
        "your own ways to make levels, asked before the built-in ones: module:name,module:name",
        _text,
    ),
    Setting(
        "guards",
        "how strictly calls are checked: smooth advises, strict holds back",
        _one_of(*GUARD_PRESETS),
    ),
    Setting(
        "secrets",
        "keys and passwords in what is written: note says so, mask keeps only their kind, refuse "
        "writes nothing, off looks for none",
        _one_of(*SECRETS),
    ),
    Setting(
        "experience_tokens",
        "tokens of a context that say what the tools in play have taught; 0: none",
        _whole(0, 4_000),
    ),
    Setting(
        "calls_per_turn",
        "calls of other tools that a turn may hold; 0: as many as guards allows",
        _whole(0, 1_000_000),
    ),
    Setting(
        "calls_running",
        "calls of other tools that may run at once in a session; 0: as many as guards allows",
        _whole(0, 1_000_000),
    ),
    Setting("tools", f"groups of tools served: {', '.join(TOOL_GROUPS)}", _some_of(*TOOL_GROUPS)),
    Setting(
        "durability",
        "full: answered when the disk has it; normal: a power cut may lose the last second",
        _one_of("full", "normal"),
    ),
    Setting(
        "redis_timeout_ms",
        "milliseconds of one request to Redis, its retries included",
        _whole(50, 600_000),
    ),
    Setting(
        "redis_replicas",
        "replicas of Redis whose confirmation a durable write waits for (WAIT)",
        _whole(0, 100),
    ),
    Setting(
        "redis_aof",
        "yes: a durable write waits until Redis has synced its file (WAITAOF, Redis 7.2)",
        _one_of("no", "yes"),
    ),
    Setting(
        "tokenizer",
        "auto, estimate, or the name of a tiktoken encoding, for new workspaces",
        _text,
    ),
    Setting(
        "log_level",
        "what is logged to stderr",
        _one_of("debug", "info", "warning", "error"),
    ),
)
