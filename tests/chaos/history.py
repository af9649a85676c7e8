"""A ledger's history as an auditor takes it along: exported, verified against kept checkpoints, and read from files."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.chaos.comparison import Recorded


class Said(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    text: str


def esep(environment: Mapping[str, str], *arguments: str | Path) -> Said:
    """Run the command line against the server of an environment."""
    variables = {**environment, "ESEP_SERVER": environment["ESEP_LISTEN"]}
    done = subprocess.run(
        [sys.executable, "-m", "ledger.cli", *map(str, arguments)],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    return Said(done.returncode, done.stdout + done.stderr)


def export(environment: Mapping[str, str], directory: Path) -> None:
    """Write the whole history into files."""
    said = esep(environment, "audit", "export", directory)
    if said.status:
        raise RuntimeError(f"the history cannot be exported\n{said.text}")


def unverified(environment: Mapping[str, str], directory: Path, kept: Sequence[Path]) -> str:
    """Verify an export against checkpoints that were kept; return what was found, nothing when all is well."""
    against = [word for path in kept for word in ("--against", str(path))]
    said = esep(environment, "audit", "verify", "--export", directory, *against)
    return said.text if said.status else ""


def recorded(directory: Path) -> Iterator[Recorded]:
    """Read the events of an export."""
    for piece in _manifest(directory)["pieces"]:
        with (directory / piece["events"]["file"]).open(encoding="utf-8") as lines:
            for event in map(json.loads, lines):
                yield Recorded(
                    event["position"],
                    event["topic"],
                    event["originator_id"],
                    event["request_id"] or "",
                    json.loads(event["state"]),
                )


def posted(directory: Path) -> dict[int, int]:
    """Read what every account had at the end of an export."""
    with (directory / _manifest(directory)["accounts"]["file"]).open(encoding="utf-8") as lines:
        return {account["account_id"]: account["posted"] for account in map(json.loads, lines)}


def _manifest(directory: Path) -> Any:
    return json.loads((directory / "manifest.json").read_text())
