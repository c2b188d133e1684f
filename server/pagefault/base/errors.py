"""Every failure that a caller can act on, each with a stable code.

PagefaultError
├── InvalidArgument          invalid_argument      the call itself is wrong
│   └── SecretRefused        secret_refused        the operator lets no secret in
├── NotFound
│   ├── PageNotFound         page_not_found
│   ├── SessionNotFound      session_not_found     also: no session was named where one is needed
│   ├── VersionNotFound      version_not_found
│   └── WorkspaceNotFound    workspace_not_found
├── PageForgotten            page_forgotten        the page was deleted for good
├── FaultNotAllowed          fault_not_allowed     the operator wants a surer reason
├── LoopDetected             loop_detected         the same call brings the same, again and again
├── LimitExceeded
│   ├── FaultLimitExceeded   fault_limit_exceeded  this turn's faults are spent
│   ├── PinLimitExceeded     pin_limit_exceeded    pins may hold half of the budget
│   └── TokenLimitExceeded   token_limit_exceeded
├── WriteConflict            conflict              somebody else wrote first, again and again
└── StoreError
    ├── StoreBusy            store_busy            another process holds the write lock
    ├── StoreFull            store_full
    ├── StoreReadOnly        store_read_only
    ├── StoreUnavailable     store_unavailable     cannot be opened or was closed
    ├── StoreTooNew          store_too_new         written by a later version
    └── StoreDamaged         store_damaged         a checksum or the file itself is wrong

A message names the value, the rule and the next step, for a model or a person to act on.
"""

from __future__ import annotations


class PagefaultError(Exception):
    """The root. ``str(error)`` begins with the code."""

    code = "internal"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class InvalidArgument(PagefaultError):
    """An argument breaks a rule; nothing was changed."""

    code = "invalid_argument"


class SecretRefused(InvalidArgument):
    """What was to be written holds a secret, and the operator lets none in."""

    code = "secret_refused"


class NotFound(PagefaultError):
    """Something named in the call does not exist."""

    code = "not_found"


class PageNotFound(NotFound):
    """No page with that id in the workspace."""

    code = "page_not_found"

    def __init__(self, page_id: str) -> None:
        super().__init__(
            f"{page_id[:140]!r} is no page of this workspace. "
            "Ids look like msg_12 or claim_3: find the right one with search_pages."
        )


class SessionNotFound(NotFound):
    """No session with that handle, or none was named where one is needed."""

    code = "session_not_found"


class BindingNotFound(NotFound):
    """Nothing is bound to a name, or what is has no such part."""

    code = "binding_not_found"


class VersionNotFound(NotFound):
    """The page exists, that version of it does not."""

    code = "version_not_found"


class WorkspaceNotFound(NotFound):
    """No workspace with that id for this principal."""

    code = "workspace_not_found"


class PageForgotten(PagefaultError):
    """The page was deleted for good; only its tombstone is left."""

    code = "page_forgotten"


class LimitExceeded(PagefaultError):
    """A limit of the turn, the session or the operator."""

    code = "limit_exceeded"


class FaultNotAllowed(PagefaultError):
    """The operator allows faults for surer reasons only."""

    code = "fault_not_allowed"


class LoopDetected(PagefaultError):
    """The calls run in circles; the message says what to do instead."""

    code = "loop_detected"


class FaultLimitExceeded(LimitExceeded):
    """This turn's faults, or their tokens, are spent."""

    code = "fault_limit_exceeded"


class PinLimitExceeded(LimitExceeded):
    """Pins may hold at most half of the working set's budget."""

    code = "pin_limit_exceeded"


class TokenLimitExceeded(LimitExceeded):
    """More tokens than the limit allows."""

    code = "token_limit_exceeded"


class WriteConflict(PagefaultError):
    """The state a write was planned on kept changing; nothing was written."""

    code = "conflict"


class StoreError(PagefaultError):
    """The store cannot do what was asked; nothing acknowledged was lost."""

    code = "store_unavailable"


class StoreBusy(StoreError):
    """Another process holds the write lock."""

    code = "store_busy"


class StoreFull(StoreError):
    """The disk, or the store's own limit, is full."""

    code = "store_full"


class StoreReadOnly(StoreError):
    """Reading works, writing does not."""

    code = "store_read_only"


class StoreUnavailable(StoreError):
    """The store cannot be opened, or was closed."""

    code = "store_unavailable"


class StoreTooNew(StoreError):
    """The store was written by a later version of pagefault."""

    code = "store_too_new"


class StoreDamaged(StoreError):
    """A stored byte is not what was written; it is reported and never served."""

    code = "store_damaged"
