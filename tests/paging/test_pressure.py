"""How hard pressed a working set is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagefault.paging.pressure import LEVELS, Load, pressure

SHARES = st.floats(0, 1)


@pytest.mark.parametrize(
    ("load", "level"),
    [
        (Load(0.0), "low"),
        (Load(0.74), "low"),
        (Load(0.75), "medium"),
        (Load(1.0), "high"),
        (Load(0.0, pinned=0.5), "medium"),
        (Load(0.0, pinned=0.96), "critical"),
        (Load(0.0, spent=0.7), "medium"),
        (Load(0.0, spent=1.0), "high"),
        (Load(0.0, thrash=0.3), "high"),
        (Load(1.0, thrash=0.6), "critical"),
    ],
)
def test_the_worst_cause_makes_the_level(load: Load, level: str) -> None:
    assert pressure(load).level == level


def test_each_cause_is_named_with_its_number_the_worst_first() -> None:
    found = pressure(Load(0.8, pinned=0.96, thrash=0.3))
    assert [cause.split(":")[0] for cause in found.causes] == [
        "pins hold 96% of what pins may hold",
        "30% of what was evicted had to be faulted in again",
        "80% of the budget is mapped",
    ]


def test_a_full_set_is_no_emergency_and_low_pressure_has_no_cause() -> None:
    assert pressure(Load(1.0)).level == "high"
    assert pressure(Load(0.1, 0.1, 0.1, 0.05)).causes == ()


@given(SHARES, SHARES, SHARES, SHARES, st.sampled_from(["filled", "pinned", "spent", "thrash"]))
def test_more_of_anything_never_eases_it(
    filled: float, pinned: float, spent: float, thrash: float, name: str
) -> None:
    before = Load(filled, pinned, spent, thrash)
    after = Load(**{**{n: getattr(before, n) for n in before.__slots__}, name: 1.0})
    assert LEVELS.index(pressure(after).level) >= LEVELS.index(pressure(before).level)
