from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bank import Bank
from models.rates import Rates


def bank(limit: int = 1000) -> tuple[Bank[str], Rates]:
    rates = Rates(100.0)
    return Bank([rates], limit), rates


def test_rows_grow_with_their_parts() -> None:
    names, rates = bank()
    rows = [names.create(f"series {i}") for i in range(200)]
    assert len(set(rows)) == 200
    assert 0 not in rows
    assert rates.failures.size == names.capacity > 200
    assert names.key(names.row("series 150")) == "series 150"


def test_an_unknown_key_has_row_zero_and_row_zero_no_key() -> None:
    names, _ = bank()
    assert names.row("nobody") == 0
    with pytest.raises(KeyError):
        names.key(0)


def test_the_least_worthy_leave_and_their_rows_are_wiped_and_used_again() -> None:
    names, rates = bank(limit=10)
    for i in range(10):
        row = names.create(f"series {i}")
        names.worth[row] = float(i)
        rates.failures[row] = 7.0
    assert names.full
    present = np.zeros(names.capacity)
    present[names.row("series 1")] = 5.0
    gone = names.least_worthy(lambda key: key == "series 0", present)
    assert [names.key(row) for row in gone.tolist()] == ["series 2"]
    names.evict(gone)
    assert names.evicted == 1
    assert names.row("series 2") == 0
    assert names.create("new") == gone[0]
    assert rates.failures[gone[0]] == 0.0


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=80))
def test_keys_and_rows_always_match(steps: list[tuple[bool, int]]) -> None:
    names, _ = bank()
    alive: set[str] = set()
    for adds, number in steps:
        key = str(number)
        if adds and key not in alive:
            names.create(key)
            alive.add(key)
        elif not adds and key in alive:
            names.evict(np.array([names.row(key)]))
            alive.remove(key)
    assert len(names) == len(alive)
    assert {names.key(names.row(key)) for key in alive} == alive
    copy, _ = bank()
    copy.restore(names.keys, names.free, names.evicted)
    assert [copy.row(str(i)) for i in range(31)] == [names.row(str(i)) for i in range(31)]
