"""Which version of a page a session reads, as SQL.

The statements name the workspace ?1, the session's handle ?2, and a row ``p`` of the table page.
"""

from __future__ import annotations

FOREVER = 1 << 40  # above every log position

# A session's branches: its own, then its ancestors', each up to the position that still counts.
LINEAGE = (
    "WITH RECURSIVE lineage(key, upto, depth) AS ("
    f"SELECT key, {FOREVER}, 0 FROM session WHERE ws=?1 AND id=?2"
    " UNION ALL SELECT a.key, s.forked_at, l.depth+1 FROM lineage l JOIN session s ON s.key=l.key"
    " JOIN session a ON a.ws=s.ws AND a.id=s.parent WHERE s.forked_at IS NOT NULL) "
)


def _latest(branch: str, upto: str | None = None) -> str:
    """The head of a branch at a position: what it went back to, if it wrote nothing since."""
    by_then = "" if upto is None else f" AND %s.position<={upto}"
    written = (
        f"FROM version v WHERE v.ws=p.ws AND v.page=p.id AND v.branch={branch}"
        f"{by_then.replace('%s', 'v')}"
    )
    return (
        "coalesce((SELECT r.version FROM reverted r WHERE r.ws=p.ws AND r.page=p.id"
        f" AND r.branch={branch}{by_then.replace('%s', 'r')}"
        f" AND NOT EXISTS (SELECT 1 {written} AND v.position>r.position)"
        f" ORDER BY r.position DESC LIMIT 1), (SELECT max(v.version) {written}))"
    )


_OWN = "(SELECT key FROM session WHERE ws=?1 AND id=?2)"
HEAD = f"coalesce({_latest(_OWN)}, {_latest('p.home')})"  # for a session that is no fork
FORKS_HEAD = (  # for any session, after `LINEAGE`
    f"coalesce((SELECT h.version FROM (SELECT l.depth, {_latest('l.key', 'l.upto')} AS version"
    " FROM lineage l) h WHERE h.version IS NOT NULL ORDER BY h.depth LIMIT 1),"
    f" {_latest('p.home')})"
)
