"""Results made comparable: what varies from call to call, though nothing happened, is taken out.

Two results of the same call count as the same when they differ only in times of day, durations,
long numbers and random ids, or in white space. Short numbers stay: a page number, a line, a share
of work done are how a pager and a poller show that they move.
"""

from __future__ import annotations

import re

from ..base.call import canonical_arguments, digest

_KEPT = 20_000  # characters of a result that are compared, from its beginning and from its end
_LONG_NUMBER = 6  # digits from which a number is an id or an instant, and not a quantity

_VARYING = re.compile(
    r"""
    \b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b      # UUID
    | \b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:\s?(?:Z|[+-]\d\d:?\d\d)\b)?
    | \b\d\d?:\d\d:\d\d(?:[.,]\d+)?\b                                      # time of day
    | \b\d+(?:\.\d+)?\s?(?:ns|us|µs|ms|s|sec|secs|seconds?|minutes?)\b     # duration
    | \b0x[0-9a-f]{4,}\b                                                   # address
    | \b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{12,}\b                            # hash
    | (?<![\d.])\d{LONG,}(?:\.\d+)?                                        # instant, id
    """.replace("LONG", str(_LONG_NUMBER)),
    re.IGNORECASE | re.VERBOSE,
)
_SPACE = re.compile(r"\s+")


def normal(result: object) -> str:
    """A result as text that is the same for results that say the same."""
    text = result if isinstance(result, str) else canonical_arguments(result)
    if len(text) > 2 * _KEPT:
        text = f"{text[:_KEPT]}…{len(text)}…{text[-_KEPT:]}"
    said = _SPACE.sub(" ", _VARYING.sub("~", text)).strip()
    return said if any(map(str.isalnum, said)) else text  # an id alone is all that it says


def normal_digest(result: object) -> str:
    """What results that say the same have in common."""
    return digest(normal(result))
