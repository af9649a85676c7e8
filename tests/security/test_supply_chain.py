"""What the product is made of: locked with hashes, the same everywhere, and in a container as nobody special."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

import pydantic
import pytest

from scripts import advisories
from scripts.demo_server import ROOT

LOCKS: Final = sorted(ROOT.glob("requirements*.lock"))
PINNED: Final = re.compile(r"^([a-z0-9-]+)==([^ \\;]+)", re.MULTILINE)
CONTAINER: Final = (ROOT / "Containerfile").read_text("utf-8")


def versions(lock: Path) -> dict[str, set[str]]:
    """Return the versions that a lock file names; some are for one Python only."""
    found: dict[str, set[str]] = {}
    for name, version in PINNED.findall(lock.read_text("utf-8")):
        found.setdefault(name, set()).add(version)
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_locked_version_has_hashes_and_no_source(lock: Path) -> None:
    """What is installed is what was locked, wherever it comes from: no registry, no address, no file is named."""
    text = lock.read_text("utf-8")
    assert "://" not in text
    assert "--index" not in text
    requirements = re.split(r"\n(?=[a-z0-9])", text[text.index("\n", text.index("make lock")) + 1 :])
    assert requirements
    for requirement in requirements:
        assert PINNED.match(requirement), requirement
        assert "--hash=sha256:" in requirement, requirement


def test_the_servers_own_lock_is_a_part_of_the_whole_one() -> None:
    """Tests run with the very versions that a server is installed with, and every one of its requirements is there."""
    own, whole = versions(ROOT / "requirements-runtime.lock"), versions(ROOT / "requirements.lock")
    assert own.items() <= whole.items()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = {re.split(r"[\[>=<]", each)[0] for each in project["dependencies"]}
    assert wanted <= own.keys()
    assert not {"pytest", "hypothesis", "ruff", "mypy"} & own.keys()


def test_the_container_runs_as_nobody_special() -> None:
    """The last user is a number other than root's, nothing is installed without hashes, and no secret is built in."""
    instructions = [
        line.split(maxsplit=1) for line in CONTAINER.replace("\\\n", " ").splitlines() if line[:1].isalpha()
    ]
    users = [words for name, words in instructions if name == "USER"]
    assert users == ["10001"]
    assert instructions.index(["USER", "10001"]) > max(at for at, (name, _) in enumerate(instructions) if name == "RUN")
    installs = [words for name, words in instructions if name == "RUN" and "pip install" in words]
    assert installs
    assert all("--require-hashes" in words for words in installs)
    assert not re.search(r"ADD|ARG|--privileged|sudo|curl|wget|apt-get|_KEY=|PASSWORD|TOKEN", CONTAINER)
    assert "DEVELOPMENT" not in CONTAINER


def test_the_container_holds_what_the_server_imports_and_nothing_of_the_tests(tmp_path: Path) -> None:
    """From the copied paths alone the server starts, and says what it needs: no certificate is built in."""
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINER, re.MULTILINE)
    names = {name for line in copied for name in line.split()} - {"requirements-runtime.lock"}
    assert all((ROOT / name).exists() for name in names)
    assert not names & {"tests", "bench", "scripts", "docs", "."}
    for name in names:
        (tmp_path / name).symlink_to(ROOT / name)
    done = subprocess.run(
        [sys.executable, "-S", "server.py"],  # Without what finds the checkout.
        cwd=tmp_path,
        env={"ESEP_DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(Path(pydantic.__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 78
    assert "certificate_file" in done.stderr


def test_a_report_of_weaknesses_is_read() -> None:
    """What is known, what is not, and what was found with where it is mended; anything else is no report."""
    report = {
        "dependencies": [
            {"name": "a", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]},
            {"name": "b", "version": "1", "vulns": []},
            {"name": "c", "skip_reason": "not found"},
        ]
    }
    assert advisories.read(json.dumps(report)) == (2, 1, ["a 1: PYSEC-1, mended in 2"])
    assert advisories.read("") is None
    assert advisories.read("[]") is None


@pytest.mark.parametrize(
    ("answers", "status", "said"),
    [
        ([None], 0, advisories.SKIPPED),
        ([(0, 1, [])], 0, advisories.SKIPPED),
        ([(1, 0, []), (9, 0, []), (2, 0, []), (1, 0, [])], 0, "9 versions, 0 weaknesses"),
        ([(1, 0, []), (9, 0, ["a 1: X"]), (2, 0, []), (1, 0, [])], 1, "a 1: X"),
    ],
)
def test_weaknesses_fail_the_check_and_silence_does_not(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: list[tuple[int, int, list[str]] | None],
    status: int,
    said: str,
) -> None:
    """Where nobody can be asked, one plain line says so."""
    coming = iter(answers)
    monkeypatch.setattr(advisories, "asked", lambda _: next(coming))
    assert advisories.main() == status
    assert said in capsys.readouterr().out
    assert next(coming, None) is None
