"""``python -m tests.journeys``: run the journeys, print each capability with the tests that prove it.

Exit codes: 0 when every row has a test and all passed, 1 otherwise.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console
from rich.table import Table

from tests.journeys.rows import ROWS

HERE: Final = Path(__file__).parent
_ROW: Final = re.compile(r"test_(S[0-9]{2})_([A-Za-z0-9_]+)")


class Outcomes:
    """A plug-in that notes how each test of a row ended; a test of many cases passes when all of them do."""

    def __init__(self) -> None:
        self.by_row: dict[str, dict[str, bool]] = defaultdict(dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in how one phase of a test ended."""
        found = _ROW.match(report.nodeid.rpartition("::")[2])
        if found is None or (report.when != "call" and report.passed):
            return
        row, name = found.groups()
        self.by_row[row][name] = self.by_row[row].get(name, True) and report.passed


def proven(outcomes: Outcomes, row: str) -> bool:
    """Tell whether a row has tests and all of them passed."""
    tests = outcomes.by_row.get(row, {})
    return bool(tests) and all(tests.values())


def table(outcomes: Outcomes) -> Table:
    """Return the rows with the tests that prove them."""
    printed = Table("row", "capability", "proven by", title="Capabilities")
    for row, capability in ROWS.items():
        tests = outcomes.by_row.get(row, {})
        lines = [("" if passed else "FAILED ") + name.replace("_", " ") for name, passed in tests.items()]
        printed.add_row(row, capability, "\n".join(lines) or "NO TEST", end_section=True)
    return printed


def main() -> int:
    """Run the journeys and print the table."""
    outcomes = Outcomes()
    status = pytest.main(["-q", "--no-header", "-p", "no:cacheprovider", str(HERE)], plugins=[outcomes])
    Console(width=110).print(table(outcomes))
    missing = [row for row in ROWS if not proven(outcomes, row)]
    sys.stdout.write(f"journeys: {len(ROWS) - len(missing)} of {len(ROWS)} rows proven\n")
    if missing:
        sys.stdout.write(f"not proven: {', '.join(missing)}\n")
    return 1 if missing or status else 0


if __name__ == "__main__":
    sys.exit(main())
