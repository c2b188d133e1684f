"""Behaviours 50 to 52, 57, 62 and 63 of reference/peer.md as far as they are decided here."""

from __future__ import annotations

from pagefault.bindings.binding import Binding, alias_problem
from pagefault.bindings.references import references, resolve
from pagefault.bindings.repairing import repair
from pagefault.bindings.stated import stated


def test_50_bindings_are_numbered_and_found_by_alias() -> None:
    bound = Binding(1, "sqrt", "d", "ev_1", None, 1, 0.0, "number", "4.2", aliases=("root",))
    assert bound.ref == "$v1"
    assert resolve("$root", {"root": 4.2426}, bound.aliases).arguments == 4.2426
    assert alias_problem("v2") is not None


def test_51_references_keep_the_type_of_their_value() -> None:
    values = {"v1": 4.2426, "v2": "hello world", "v3": {"a": [1]}, "v4": [True]}
    found = resolve({"x": "$v1", "y": "$v2", "z": ["$v3", "$v4"], "t": "a $v1 b"}, values)
    assert found.arguments == {
        "x": 4.2426,
        "y": "hello world",
        "z": [{"a": [1]}, [True]],
        "t": "a 4.2426 b",
    }
    assert found.arguments["z"][1][0] is True


def test_52_a_missing_reference_is_named() -> None:
    found = resolve({"x": "$v99"}, {})
    assert (found.ok, [each.text for each in found.missing]) == (False, ["$v99"])


def test_57_a_currency_is_no_reference() -> None:
    assert references({"note": "costs $USD 5 or $100"}) == ()


def test_62_values_stated_in_text_are_bound_and_conditions_are_not() -> None:
    assert [(s.name, s.value) for s in stated("sigma = 5.2 and mean=37")] == [
        ("sigma", 5.2),
        ("mean", 37),
    ]
    assert stated("if x = 3 stop") == ()


def test_63_a_literal_is_repaired_to_the_binding_that_holds_it() -> None:
    found = repair({"x": 5.2}, {"v1": 5.2})
    assert found is not None
    assert found.arguments == {"x": "$v1"}
