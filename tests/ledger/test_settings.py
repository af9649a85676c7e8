"""Settings that set nothing are told, not passed over."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.settings import Settings, SettingsError
from scripts.demo_server import ROOT


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the machine's own settings out."""
    for name in [name for name in os.environ if name.startswith("ESEP_")]:
        monkeypatch.delenv(name)


@pytest.mark.parametrize("name", ["ESEP_DATABSE_URL", "ESEP_MAX_QUEUE", "esep_listn"])
def test_a_misspelt_variable_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A variable that looks like a setting and is none is an error that names it."""
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=name):
        Settings()


@pytest.mark.parametrize("name", ["ESEP_LISTEN", "ESEP_SERVER", "ESEP_TEST_DATABASE_URL", "ESEPTION"])
def test_what_is_known_is_no_error(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Settings, the variables of clients and of tests, and those of other programs are not complained of."""
    monkeypatch.setenv(name, "127.0.0.1:1")
    Settings()


def test_a_file_that_is_named_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A named file of settings that is not there is an error; the default one may be missing."""
    monkeypatch.chdir(tmp_path)
    Settings()
    file = tmp_path / "mine.toml"
    monkeypatch.setenv("ESEP_CONFIG", str(file))
    with pytest.raises(SettingsError, match=r"mine\.toml"):
        Settings()
    file.write_text("max_queued = 7\n")
    assert Settings().max_queued == 7


def test_a_server_does_not_start_with_what_it_does_not_know(tmp_path: Path) -> None:
    """A server with a misspelt variable ends with status 78 (EX_CONFIG) and names it."""
    variables = os.environ | {"ESEP_DATA_DIR": str(tmp_path), "ESEP_LISTN": "127.0.0.1:0"}
    ended = subprocess.run(
        [sys.executable, str(ROOT / "server.py")],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 78
    assert "ESEP_LISTN" in ended.stderr


def test_how_long_a_payment_may_hold_reaches_the_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is told apart by the version of what decisions depend on."""
    before = Settings().policy
    monkeypatch.setenv("ESEP_PAYMENT_HOLD_TTL_SECONDS", "86400")
    after = Settings().policy
    assert (before.payment_hold_ttl_seconds, after.payment_hold_ttl_seconds) == (400 * 86_400, 86_400)
    assert before.version != after.version
