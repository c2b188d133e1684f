"""Pages in use: the only place where a decision about pages meets the store.

`core.Memory` holds what a process needs for it (store, working sets, texts, tokenizers); each verb
is a function in a file of its own: `faulting`, `writing`, `keeping`, `forgetting`, `recall`,
`history`, `context`.
"""

from __future__ import annotations

from .core import Memory

__all__ = ["Memory"]
