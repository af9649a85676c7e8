"""Ask whether any version that is locked has a published weakness, for every lock file there is.

The source of advisories is asked about one package first. Where it does not answer, as on a machine without a way out,
or behind an index that passes none on, that is said in one plain line and nothing fails: a check that cannot be made is
no finding. A weakness that is found is named, and the exit status is 1.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
LOCKS: Final = ("requirements.lock", "requirements-protos.lock", "requirements-fuzz.lock")
TIMEOUT_SECONDS: Final = "10"
SKIPPED: Final = "advisories: skipped, no source of advisories can be reached from here"


def main() -> int:
    """Ask, report, and return the exit status."""
    first = _first((ROOT / LOCKS[0]).read_text("utf-8"))
    with tempfile.TemporaryDirectory() as directory:
        probe = Path(directory) / "one.lock"
        probe.write_text(first, "utf-8")
        answered = asked(probe)
    if answered is None or not answered[0]:
        sys.stdout.write(f"{SKIPPED}\n")
        return 0
    weaknesses = 0
    for name in LOCKS:
        answer = asked(ROOT / name)
        if answer is None:
            sys.stdout.write(f"{SKIPPED}: {name}\n")
            continue
        looked_up, unknown, found = answer
        for line in found:
            sys.stdout.write(f"advisories: {name}: {line}\n")
        left_out = f", {unknown} of which nothing is known" if unknown else ""
        sys.stdout.write(f"advisories: {name}: {looked_up} versions, {len(found)} weaknesses{left_out}\n")
        weaknesses += len(found)
    return 1 if weaknesses else 0


def asked(lock: Path) -> tuple[int, int, list[str]] | None:
    """Return how many versions were looked up and how many were not known, and what was found; None for no answer."""
    done = subprocess.run(  # noqa: S603 - our own environment's program
        [
            *(sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--require-hashes", "--disable-pip"),
            *("--format", "json", "--progress-spinner", "off", "--timeout", TIMEOUT_SECONDS),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return read(done.stdout)


def read(report: str) -> tuple[int, int, list[str]] | None:
    """Read a report of pip-audit; None for what is none, because it gave up."""
    try:
        dependencies: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return None
    known = [each for each in dependencies if "skip_reason" not in each]
    found = [
        f"{each['name']} {each['version']}: {wrong['id']}, mended in {', '.join(wrong['fix_versions']) or 'no version'}"
        for each in known
        for wrong in each["vulns"]
    ]
    return len(known), len(dependencies) - len(known), found


def _first(lock: str) -> str:
    """Return the first requirement of a lock file, with its hashes."""
    lines = [line for line in lock.splitlines() if line and not line.startswith("#")]
    ends = next((at for at, line in enumerate(lines) if at and not line.startswith(" ")), len(lines))
    return "\n".join(lines[:ends]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
