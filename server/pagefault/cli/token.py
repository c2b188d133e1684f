"""``pagefault token``: a bearer token, and the line that lets its owner in."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from typing import TYPE_CHECKING

from ..surface.transport.tokens import hash_token, new_token
from .setting_up import LOCAL

if TYPE_CHECKING:
    from .setting_up import SetUp

_PRINCIPAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,127}")  # what the token file can hold


def add_options(parser: ArgumentParser) -> None:
    """The options of ``token``."""
    parser.add_argument(
        "principal",
        nargs="?",
        type=_principal,
        default=LOCAL,
        help="whose memory it opens; 'local' (the default) is the one that stdio uses",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(_: SetUp, options: Namespace) -> int:
    """Make one and print it; only its hash belongs in a file."""
    token = new_token()
    line = f"{options.principal} sha256:{hash_token(token)}"
    if options.json:
        print(json.dumps({"principal": options.principal, "token": token, "line": line}))
    else:
        print(f"token, shown this once:    {token}")
        print(f"line for the token file:   {line}")
        print("Keep the file to yourself (chmod 600): pagefault serve --http --token-file FILE")
    return 0


def _principal(text: str) -> str:
    if not _PRINCIPAL.fullmatch(text):
        message = (
            f"{text[:60]!r} cannot stand in a token file: use 1 to 128 letters, digits, '.', '_', "
            "'@' or '-', a letter or digit first"
        )
        raise ArgumentTypeError(message)
    return text
