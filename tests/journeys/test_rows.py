"""Every capability that the leaflets name has a test that carries its row's id, and every such id is a row's."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.journeys.__main__ import _ROW
from tests.journeys.rows import ROWS


def _proofs() -> Counter[str]:
    """Count the tests that name a row, by row."""
    found: Counter[str] = Counter()
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            named = _ROW.fullmatch(node.name) if isinstance(node, ast.FunctionDef) else None
            if named is not None:
                found[named[1]] += 1
    return found


PROOFS = _proofs()


@pytest.mark.parametrize("row", ROWS)
def test_every_row_has_a_test(row: str) -> None:
    """A row that no test names is a promise that nobody keeps."""
    assert PROOFS[row] > 0, f"{row}, {ROWS[row]}: no test is named test_{row}_..."


def test_no_test_names_a_row_that_is_not_there() -> None:
    """A mistyped id would prove nothing."""
    assert set(PROOFS) <= set(ROWS)
    assert list(ROWS) == [f"S{number:02}" for number in range(1, 39)]
