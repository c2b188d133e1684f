from __future__ import annotations

import pytest

from pagefault.index import fulltext
from pagefault.index.fulltext import Search


def test_the_scope_session_finds_only_that_session(shelf):
    mine = shelf.write("the budget", session=1)
    shelf.write("the budget", session=2)
    assert shelf.find("budget", session=1, scope="session") == [mine]


def test_a_session_without_pages_finds_nothing_in_its_own_scope(shelf):
    shelf.write("the budget", session=1)
    assert shelf.find("budget", session=9, scope="session") == []
    assert shelf.find("budget", session=None, scope="session") == []


def test_the_asking_session_is_preferred_between_equals(shelf):
    first = shelf.write("the budget", session=1)
    second = shelf.write("the budget", session=2)
    assert shelf.find("budget", session=1) == [first, second]
    assert shelf.find("budget", session=2) == [second, first]


def test_recent_pages_come_first_between_equals(shelf):
    old = shelf.write("the budget", session=1)
    new = shelf.write("the budget", session=2)
    assert shelf.find("budget") == [new, old]


def test_important_pages_come_first_between_equals(shelf):
    important = shelf.write("the budget", session=1, importance=1.0)
    other = shelf.write("the budget", session=2, importance=0.0)
    assert shelf.find("budget") == [important, other]


def test_preferences_do_not_outweigh_a_better_answer(shelf):
    better = shelf.write("the budget of the offsite", session=1, importance=0.0)
    shelf.write("the budget", session=2, importance=1.0)
    assert shelf.find("budget offsite", session=2)[0] == better


@pytest.mark.parametrize(
    ("fields", "filters"),
    [
        ({"page_type": "claim"}, {"page_types": ("claim",)}),
        ({"page_type": "claim"}, {"page_types": ("summary", "claim")}),
        ({"modality": "image"}, {"modality": "image"}),
        ({"role": "user"}, {"role": "user"}),
        ({"created_at": 2000.0}, {"since": 2000.0}),
        ({"created_at": 500.0}, {"until": 500.0}),
        ({"created_at": 1500.0, "role": "user"}, {"since": 1400.0, "until": 1600.0}),
        ({"page_type": "claim", "role": "user"}, {"page_types": ("claim",), "role": "user"}),
    ],
)
def test_filters_leave_out_the_rest(shelf, fields, filters):
    for number in range(3):
        shelf.write("the budget", session=number, role="assistant", created_at=1000.0)
    wanted = shelf.write("the budget", session=9, **fields)
    assert shelf.find("budget", **filters) == [wanted]


def test_pages_without_a_time_are_in_no_interval(shelf):
    shelf.write("the budget", created_at=None)
    assert shelf.find("budget", since=0.0) == []


def test_a_filter_finds_what_hundreds_of_better_pages_hide(shelf):
    shelf.put(*(shelf.document("nothing", session=n % 7, role="user") for n in range(1000)))
    shelf.put(*(shelf.document("budget plan", session=n, role="user") for n in range(20, 220)))
    hidden = shelf.write("somewhere a word on the budget", session=3, role="tool")
    assert hidden not in shelf.find("budget plan")
    assert shelf.find("budget plan", role="tool") == [hidden]


def test_words_that_nearly_every_page_holds_find_the_newest_that_hold_them_all(shelf):
    shelf.put(*(shelf.document(f"budget {'plan' * (n % 2)}", session=n) for n in range(9000)))
    assert shelf.find("budget plan", limit=3) == ["msg_9000", "msg_8998", "msg_8996"]
    assert shelf.find("budget", limit=2) == ["msg_9000", "msg_8999"]


def test_ranking_comes_before_the_limit(shelf):
    shelf.put(*(shelf.document(f"budget note {n}", session=n) for n in range(300)))
    best = shelf.write("budget of the offsite in June", session=500)
    shelf.put(*(shelf.document(f"budget note {n}", session=n) for n in range(300)))
    assert shelf.find("budget offsite June", limit=1) == [best]


def test_pages_of_results_follow_each_other_without_gap_or_repeat(shelf):
    shelf.put(*(shelf.document(f"budget note {n}", session=n) for n in range(100)))
    whole = shelf.find("budget note", limit=100)
    assert len(set(whole)) == 100
    pieces = [shelf.find("budget note", limit=7, offset=at) for at in range(0, 100, 7)]
    assert [page for piece in pieces for page in piece] == whole


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_finds_nothing(shelf, limit):
    shelf.write("the budget")
    assert shelf.find("budget", limit=limit) == []


def test_only_the_newest_version_is_found(shelf):
    page = shelf.write("the budget is small", page_type="claim")
    shelf.write("the budget is large", page_type="claim", page_id=page, version=2)
    (hit,) = shelf.hits("budget small")
    assert (hit.page_id, hit.version) == (page, 2)
    assert shelf.find("small") == []


def test_a_hundred_old_versions_hide_nothing(shelf):
    shelf.put(
        *(
            shelf.document("budget budget plan", page_id="claim_1", version=n, page_type="claim")
            for n in range(1, 301)
        )
    )
    other = shelf.write("a word on the budget", session=2)
    assert shelf.find("budget plan") == ["claim_1", other]


def test_a_branch_reads_its_own_version_and_others_the_home_branchs(shelf):
    page = shelf.write("the budget is small", session=1)
    shelf.write("the budget is large", session=2, page_id=page, version=2)
    assert [hit.version for hit in shelf.hits("budget", session=2)] == [2]
    assert [hit.version for hit in shelf.hits("budget", session=1)] == [1]
    assert [hit.version for hit in shelf.hits("budget", session=3)] == [1]
    assert [hit.version for hit in shelf.hits("budget")] == [1]
    assert shelf.find("small", session=2) == []
    assert shelf.find("large", session=1) == []


def test_a_version_that_arrives_late_does_not_become_current(shelf):
    page = shelf.write("the budget is large", version=2, position=9)
    shelf.write("the budget is small", version=1, page_id=page, position=8)
    assert [hit.version for hit in shelf.hits("budget")] == [2]


def test_adding_the_same_version_again_changes_nothing(shelf):
    document = shelf.document("the budget")
    shelf.put(document)
    before = shelf.hits("budget")
    shelf.put(document)
    assert shelf.hits("budget") == before
    shelf.forget(document.page_id)
    assert shelf.hits("budget") == []


def test_workspaces_and_principals_see_nothing_of_each_other(shelf):
    mine = shelf.write("the budget")
    shelf.put(shelf.document("the budget of another"), principal=2)
    shelf.write("the budget of the next room", workspace=2)
    assert shelf.find("budget") == [mine]
    assert shelf.find("another") == []
    assert len(shelf.hits("budget", principal=2)) == 1
    assert shelf.hits("budget", principal=3) == []


def test_no_statistic_crosses_a_principal(shelf):
    shelf.write("the budget of the offsite")
    shelf.write("the offsite", session=2)
    before = shelf.hits("budget offsite")
    for _ in range(50):
        shelf.put(shelf.document("budget budget"), principal=2)
    assert shelf.hits("budget offsite") == before


def test_what_one_connection_writes_the_next_search_of_another_finds(shelf_at, tmp_path):
    path = tmp_path / "store.db"
    writer, reader = shelf_at(path), shelf_at(path)
    assert reader.find("budget") == []
    page = writer.write("the budget")
    assert reader.find("budget") == [page]
    writer.forget(page)
    assert reader.find("budget") == []


def test_a_search_works_on_a_connection_that_cannot_write(shelf_at, tmp_path):
    path = tmp_path / "store.db"
    page = shelf_at(path).write("the budget")
    reader = shelf_at(path)
    reader.db.pragma("query_only", True)
    assert reader.find("budget") == [page]


def test_an_area_of_another_format_answers_nothing_and_is_made_anew(shelf):
    page = shelf.write("the budget")
    shelf.db.execute("UPDATE index_area SET format=format+1")
    assert shelf.find("budget") == []
    shelf.put(*shelf.documents)
    assert shelf.find("budget") == [page]


def test_a_page_of_an_area_of_another_format_is_removed_with_all_of_it(shelf):
    page = shelf.write("the budget")
    shelf.db.execute("UPDATE index_area SET format=format+1")
    shelf.forget(page)
    assert shelf.db.execute("SELECT count(*) FROM index_document").get == 0


def test_create_can_be_called_again(shelf):
    page = shelf.write("the budget")
    fulltext.create(shelf.db)
    assert shelf.find("budget") == [page]


def test_a_search_inside_a_transaction_sees_what_it_wrote(shelf):
    with shelf.db:
        document = shelf.document("the budget")
        fulltext.add(shelf.db, 1, [document], shelf.texts.__getitem__)
        hits = fulltext.search(shelf.db, 1, Search("budget", 1))
    assert [hit.page_id for hit in hits] == [document.page_id]
