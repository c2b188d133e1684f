from __future__ import annotations

from random import Random

import pytest

from pagefault.index import scrubbing

WORDS = "sunrise lake budget offsite agenda travel hotel catering invoice garden".split()


def file_bytes(shelf, tmp_path) -> bytes:
    shelf.db.pragma("wal_checkpoint", "truncate")
    return b"".join(path.read_bytes() for path in tmp_path.iterdir())


def secret(number: int) -> str:
    """Twelve letters that no other number gives, and no rule of English shortens."""
    return "".join(Random(number).choices("bcfhjkmpqvwxz", k=12))


def test_a_removed_page_is_not_found(shelf):
    page = shelf.write("the budget")
    other = shelf.write("the budget of others", session=2)
    shelf.forget(page)
    assert shelf.find("budget") == [other]


def test_every_version_goes(shelf):
    page = shelf.write("the first budget")
    shelf.write("the second budget", page_id=page, version=2)
    shelf.write("the third budget", page_id=page, version=2, session=2)
    shelf.forget(page)
    assert shelf.terms() == set()
    assert shelf.db.execute("SELECT count(*) FROM index_document").get == 0


@pytest.mark.parametrize(
    "text",
    [
        "plain words here",
        "getUserById in src/app/main.py, ERR_1042",
        "我们上周讨论了数据库迁移计划。昨日の会議",
        "Мы перенесли миграцию базы данных",
        "Zoë's café, naïve Straße ﬁne",
        "many words " * 500,
        "a" * 1_000_000,
        "字" * 2000,
        "",
        "a\x00b",
        "हम कल दिल्ली जा रहे हैं ที่นี่",
    ],
)
def test_nothing_of_any_text_is_left_in_the_index(shelf, text):
    page = shelf.write(text, name="Ann", hint="a hint: x_y", created_at=1e9, role="user")
    shelf.forget(page)
    assert shelf.terms() == set()


def test_counts_go_back_to_what_they_were(shelf):
    keep = shelf.write("sunrise over the lake")
    shelf.write("the lake", session=2)
    before = shelf.hits("sunrise lake")
    page = shelf.write("sunrise sunrise", session=3)
    assert shelf.hits("sunrise lake") != before
    inside = shelf.write("sunrise again", session=2)
    shelf.forget(page)
    shelf.forget(inside)
    assert [hit.page_id for hit in before] == shelf.find("sunrise lake")
    assert shelf.db.execute("SELECT documents FROM index_area").get == 2
    lanes = shelf.db.execute("SELECT session, documents FROM index_lane ORDER BY session")
    assert lanes.fetchall() == [(1, 1), (2, 1), (3, 0)]
    assert shelf.hits("lake", session=3, scope="session") == []
    assert keep in shelf.find("sunrise")


def test_removing_what_is_not_there_changes_nothing(shelf):
    shelf.forget("msg_1")
    page = shelf.write("the budget")
    shelf.forget("msg_77")
    assert shelf.find("budget") == [page]


def test_a_removed_page_can_be_added_again(shelf):
    page = shelf.write("the budget")
    shelf.forget(page)
    shelf.put(*shelf.documents)
    assert shelf.find("budget") == [page]


def test_no_word_of_removed_pages_is_left_in_the_file(shelf_at, tmp_path):
    shelf = shelf_at(tmp_path / "store.db")
    for number in range(400):
        words = " ".join(WORDS[(number * step) % 10] for step in (1, 3, 7))
        shelf.write(f"{words} {secret(number)}", session=number % 5, hint=f"hint{number}q")
    gone = range(0, 400, 3)
    written = file_bytes(shelf, tmp_path)
    assert all(secret(number)[4:].encode() in written for number in gone)
    for number in gone:
        shelf.forget(f"msg_{number + 1}")
    left = file_bytes(shelf, tmp_path)
    assert [number for number in gone if secret(number)[4:].encode() in left] == []
    assert secret(1)[4:].encode() in left


def test_a_separator_that_gives_a_word_away_is_written_anew(shelf_at, tmp_path):
    shelf = shelf_at(tmp_path / "store.db")
    shelf.put(*(shelf.document(f"account{number:05}", session=number) for number in range(4000)))
    rows = shelf.db.execute("SELECT term FROM index_terms_1_idx").fetchall()
    separators = {bytes(term)[1:].decode() for (term,) in rows}
    telling = [n for n in range(4000) if f"account{n:05}" in separators]
    assert telling
    for number in telling:
        shelf.forget(f"msg_{number + 1}")
    left = file_bytes(shelf, tmp_path)
    assert [n for n in telling if f"account{n:05}".encode() in left] == []
    shelf.db.execute("INSERT INTO index_terms_1(index_terms_1) VALUES('integrity-check')")
    assert shelf.find("account00001") == ["msg_2"]


def test_words_that_others_still_use_do_not_make_the_table_be_written_anew(shelf, monkeypatch):
    def fail(*_):
        raise AssertionError

    shelf.put(*(shelf.document(secret(number % 500), session=number) for number in range(1000)))
    monkeypatch.setattr(scrubbing, "_merge", fail)
    for number in range(500):
        shelf.forget(f"msg_{number + 1}")
    assert len(shelf.find(secret(7), limit=50)) == 1


def test_clearing_leaves_nothing_of_a_workspace_and_all_of_the_others(shelf_at, tmp_path):
    shelf = shelf_at(tmp_path / "store.db")
    shelf.write(secret(1))
    kept = shelf.write(secret(2), workspace=2)
    shelf.clear()
    assert shelf.find(secret(1)) == []
    assert shelf.find(secret(2), workspace=2) == [kept]
    left = file_bytes(shelf, tmp_path)
    assert secret(1).encode() not in left
    assert secret(2).encode() in left


def test_clearing_an_empty_index_is_allowed(shelf):
    shelf.clear()
    assert shelf.find("budget") == []
