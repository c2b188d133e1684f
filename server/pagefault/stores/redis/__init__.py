"""The contract on Redis or Valkey, standalone or in a cluster, with stock modules only."""

from __future__ import annotations

from .store import RedisStore

__all__ = ["RedisStore"]
