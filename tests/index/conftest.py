from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import apsw
import pytest

from pagefault.index import fulltext
from pagefault.index.fulltext import Document, Hit, Search

PRINCIPAL = 1
WORKSPACE = 1
NOON = 1_683_547_200.0  # 8 May 2023, 12:00 UTC


@dataclass
class Shelf:
    """An index with the texts that a store would hold."""

    db: apsw.Connection
    texts: dict[int, str] = field(default_factory=dict)
    documents: list[Document] = field(default_factory=list)

    def document(self, text: str, **fields: Any) -> Document:
        """A document of this text, kept and not yet indexed."""
        number = len(self.texts) + 1
        self.texts[number] = text
        given = {
            "workspace": WORKSPACE,
            "session": 1,
            "page_id": f"msg_{number}",
            "version": 1,
            "content": number,
            "page_type": "transcript",
            "modality": "text",
            "role": None,
            "name": None,
            "hint": None,
            "created_at": None,
            "importance": 0.5,
            "position": number,
        }
        document = Document(**{**given, **fields})
        self.documents.append(document)
        return document

    def put(self, *documents: Document, principal: int = PRINCIPAL) -> None:
        with self.db:
            fulltext.add(self.db, principal, documents, self.texts.__getitem__)

    def write(self, text: str, **fields: Any) -> str:
        """Index one page at once; its id."""
        document = self.document(text, **fields)
        self.put(document)
        return document.page_id

    def forget(self, page_id: str, principal: int = PRINCIPAL) -> None:
        with self.db:
            fulltext.remove(self.db, principal, WORKSPACE, page_id, self.texts.__getitem__)

    def clear(self) -> None:
        with self.db:
            fulltext.clear(self.db, PRINCIPAL, WORKSPACE)

    def hits(self, query: str, principal: int = PRINCIPAL, **fields: Any) -> list[Hit]:
        search = Search(**{"query": query, "workspace": WORKSPACE, **fields})
        return fulltext.search(self.db, principal, search)

    def terms(self) -> set[str]:
        """Every term in the index of the workspace, stemmed."""
        self.db.execute("CREATE VIRTUAL TABLE temp.v USING fts5vocab(main, index_terms_1, row)")
        found = {term for (term,) in self.db.execute("SELECT term FROM temp.v")}
        self.db.execute("DROP TABLE temp.v")
        return found

    def close(self) -> None:
        self.db.close()

    def find(self, query: str, **fields: Any) -> list[str]:
        """The ids of the pages found, best first."""
        return [hit.page_id for hit in self.hits(query, **fields)]


def open_shelf(path: str = ":memory:") -> Shelf:
    db = apsw.Connection(path)
    db.pragma("journal_mode", "wal")
    db.pragma("secure_delete", True)
    fulltext.create(db)
    return Shelf(db)


@pytest.fixture
def shelf():
    """An empty index in memory."""
    with closing(open_shelf()) as shelf:
        yield shelf


@pytest.fixture
def shelf_at():
    """Opens the index of a file, as often as asked."""
    with ExitStack() as stack:
        yield lambda path: stack.enter_context(closing(open_shelf(str(path))))


@pytest.fixture(scope="session")
def opening():
    """Opens an index in memory, for a test that needs one for each of its examples."""
    return lambda: closing(open_shelf())
