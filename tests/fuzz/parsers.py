"""Every parser under a fuzzer that follows which lines are covered (atheris): ``python -m tests.fuzz.parsers SECONDS``.

Each target runs in a process of its own, because the fuzzer ends the one that it runs in. What makes one fail is
printed with its traceback, and the exit status is 1. Where the fuzzer is not installed, a plain line says so.
"""

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Final

LONGEST: Final = 4_096
GRACE_SECONDS: Final = 300.0
NAMES: Final = ("qr", "phone", "card", "uuid", "note", "page", "token", "keys", "credits")


def fuzz(seconds: float) -> int:
    """Fuzz every parser for a share of the time; return how many fail."""
    if find_spec("atheris") is None:
        sys.stderr.write("parsers: skipped, atheris is not installed: there is no wheel of it for this Python\n")
        return 0
    failed = 0
    for name in NAMES:
        share = max(1, round(seconds / len(NAMES)))
        with tempfile.TemporaryDirectory() as directory:
            done = subprocess.run(
                [sys.executable, "-m", "tests.fuzz.parsers", name, str(share), directory],
                capture_output=True,
                text=True,
                timeout=share + GRACE_SECONDS,
                check=False,
            )
        executed = [line for line in done.stderr.splitlines() if "stat::number_of_executed_units" in line]
        runs = executed[-1].rpartition(" ")[2] if executed else "0"
        sys.stderr.write(f"parsers: {name}: {runs} inputs{'' if done.returncode == 0 else ', FAILED'}\n")
        if done.returncode:
            failed += 1
            sys.stderr.write(f"{done.stdout[-2_000:]}\n{done.stderr[-4_000:]}\n")
    return failed


def _child(name: str, seconds: str, directory: str) -> None:
    import atheris  # noqa: PLC0415 - there is not one for every Python

    with atheris.instrument_imports(include=["domain", "ledger", "joserfc"]):
        from tests.fuzz.targets import Targets  # noqa: PLC0415 - what it imports is instrumented

    with Targets() as targets:
        target, seeds = targets.named[name]
        corpus = Path(directory) / "corpus"
        corpus.mkdir()
        for number, text in enumerate(seeds):
            (corpus / str(number)).write_text(text, "utf-8")
        options = [f"-max_total_time={seconds}", f"-max_len={LONGEST}", "-print_final_stats=1", "-verbosity=1"]
        atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={directory}/", str(corpus)], target)
        atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) == 4:
        os.environ.setdefault("PYTHONWARNINGS", "ignore")
        _child(*sys.argv[1:])
    else:
        sys.exit(fuzz(float(sys.argv[1])) > 0)
