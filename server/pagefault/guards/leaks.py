"""Secrets in arguments: keys and tokens by their known forms, others by name and randomness.

What is found is named by kind and place and never quoted. Ordinary text is left alone: a word
after "password:", a placeholder, a short or plain value is none.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from .guard import Finding, Question
from .rules import Rules
from .values import scalars

NAME = "secrets"
_SHOWN = 3
_ENCODES = re.compile(r"data:[^,]{1,80};base64,|[A-Za-z0-9+/_-]{256}")  # bytes, without a blank
_SIGNS = 5  # different characters that even a bad key has more of
_SHORTEST = 12  # characters of a value that stands behind a name
_BITS = 3.0  # of entropy per character, from which a value was made by a machine
_PLACEHOLDER = re.compile(
    r"(?i)example|placeholder|change_?me|your[_-]|dummy|redacted|sample|x{4,}|\*{3,}|\.{3,}"
)


_compiled = cache(re.compile)


@dataclass(frozen=True, slots=True)
class Form:
    """What secrets of a kind look like. ``group``: the secret in what matches.

    ``signs``: what the pattern begins with, in lower case: looking for these first costs next to
    nothing, and few texts hold one.
    """

    kind: str
    signs: tuple[bytes, ...]
    pattern: str  # compiled when a text first holds one of the signs
    group: int = 0
    real: Callable[[str], bool] = lambda _: True

    def matches(self, text: str, plain: bytes) -> Iterator[re.Match[str]]:
        """Where the text may hold one. ``plain``: the same in lower case, a byte a character."""
        for sign in self.signs:
            end = 0
            while (place := plain.find(sign, end)) >= 0:
                end = place + len(sign)
                match = _compiled(self.pattern).match(text, place)
                if match is not None:
                    end = max(end, match.end())
                    yield match


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret found: its kind and where it stands, as positions in the text."""

    kind: str
    start: int
    end: int


def _random(text: str) -> bool:
    """Whether a value looks made by a machine: long, mixed and hard to guess."""
    if len(text) < _SHORTEST or _PLACEHOLDER.search(text):
        return False
    mixed = any(map(str.isdigit, text)) and any(map(str.isalpha, text))
    counts = Counter(text).values()
    bits = -sum(count / len(text) * math.log2(count / len(text)) for count in counts)
    return mixed and bits >= _BITS


def _unlike_example(text: str) -> bool:
    return not _PLACEHOLDER.search(text) and len(set(text)) > _SIGNS


def _no_blank(text: str) -> bool:
    return not _PLACEHOLDER.search(text) and text[0] not in "<${"


_FORMS = (
    Form("private key", (b"-----begin ",), (
        r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[^-]*(?:-----END [A-Z ]+-----)?")),
    Form("AWS key", (b"akia", b"asia"), (
        r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b"), 0, _unlike_example),
    Form("GitHub token", (b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"), (
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{40,})")),
    Form("GitLab token", (b"glpat-",), (r"\bglpat-[\w-]{20,}")),
    Form("Slack token", (b"xox",), (r"\bxox[abeoprs]-\d[\w-]{16,}")),
    Form("Google key", (b"aiza",), (r"\bAIza[\w-]{35}\b"), 0, _unlike_example),
    Form("Stripe key", (b"sk_", b"rk_"), (
        r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{20,}")),
    Form("API key", (b"sk-",), (r"\bsk-(?:ant-|proj-|or-)?[\w-]{20,}"), 0, _random),
    Form("JSON web token", (b"eyj",), (
        r"\beyJ[\w-]{8,2000}\.eyJ[\w-]{8,4000}\.[\w-]{8,}")),
    Form("password in a URL", (b"://",), (
        r"(?<=[a-z0-9+.-]{2})://[^\s/:@]{1,64}:([^\s/@]{3,128})@"), 1, _no_blank),
    Form("bearer token", (b"bearer",), (
        r"(?i)\bbearer\s+([\w.~+/-]{20,}=*)"), 1, _random),
    Form("secret", (b"passw", b"pwd", b"secret", b"token", b"api", b"access", b"credential"),
         (
        r"(?i)(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key|credentials?)"
        r"[\"']?\s*[:=]\s*[\"']?([^\s\"',;&<>{}]{12,256})"), 1, _random),
)  # fmt: skip
_NAMES = re.compile(r"(?i)(?:^|[_.-])(?:password|passwd|secret|token|api_?key|access_?key)$")


def find(text: str, forms: Iterable[Form] = _FORMS) -> list[Secret]:
    """The secrets in a text, in order, without overlap."""
    plain = _plain(text)
    found = [
        Secret(form.kind, *match.span(form.group))
        for form in forms
        for match in form.matches(text, plain)
        if form.real(match[form.group])
    ]
    kept: list[Secret] = []
    for secret in sorted(found, key=lambda each: (each.start, -each.end)):
        if not kept or secret.start >= kept[-1].end:
            kept.append(secret)
    return kept


def places(value: Any, at: str) -> list[str]:  # noqa: ANN401 - any JSON value
    """Where secrets stand in a JSON value, as in "content.url holds a GitHub token".

    ``at``: what the value itself is called. Images and other encoded bytes are not looked through.
    """
    texts = [
        (path, text)
        for path, text in scalars(value, at)
        if isinstance(text, str) and not _ENCODES.match(text)
    ]
    plain = _plain("\n".join(f"{path}\n{text}" for path, text in texts))
    likely = [form for form in _FORMS if any(sign in plain for sign in form.signs)]
    if not likely:
        return []
    found = (
        f"{path} holds a {secret.kind}"
        for path, text in texts
        for secret in _within(path, text, likely)
    )
    return list(dict.fromkeys(found))


def mask(text: str) -> str:
    """The text with each secret replaced by its kind in brackets."""
    for secret in reversed(find(text)):
        text = f"{text[: secret.start]}[{secret.kind} masked]{text[secret.end :]}"
    return text


def mask_values(value: Any, path: str = "") -> Any:  # noqa: ANN401 - any JSON value
    """A JSON value with the secrets in its strings masked."""
    if isinstance(value, str):
        if _ENCODES.match(value):
            return value
        named = not find(value) and _within(path, value)
        return "[secret masked]" if named else mask(value)
    if isinstance(value, Mapping):
        return {name: mask_values(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask_values(item, path) for item in value]
    return value


def check(question: Question, rules: Rules) -> Finding | None:
    """Say where a secret stands; mask it or stop the call, as set."""
    found = [
        f"{path} holds a {secret.kind}"
        for path, value in scalars(question.arguments)
        if isinstance(value, str)
        for secret in _within(path, value)
    ]
    if not found:
        return None
    reason = f"{'; '.join(found[:_SHOWN])}."
    if rules.mask_secrets:
        masked = mask_values(question.arguments)
        return Finding(NAME, "repair", reason, "It was masked; the tool will not see it.", masked)
    return Finding(NAME, "block", reason, "Leave it out, or name the variable that holds it.")


def _plain(text: str) -> bytes:
    """The text in lower case, a byte a character."""
    return text.encode("ascii", "replace").lower()


def _within(path: str, value: str, forms: Iterable[Form] = _FORMS) -> list[Secret]:
    found = find(value, forms)
    if not found and _NAMES.search(path.replace("[]", "")) and " " not in value and _random(value):
        return [Secret("secret", 0, len(value))]
    return found
