"""A server that would be open to others does not start, and what it says of its settings holds none of their values."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import ValidationError

from ledger.rpc.settings import RpcSettings
from ledger.settings import Settings, complaints
from scripts.demo_server import ROOT

PATIENCE = 60.0
UNUSABLE = 78
SECRET = "postgresql://esep:hunter2hunter2@db.example/esep"


def started(directory: Path, variables: Mapping[str, str], *program: str) -> subprocess.CompletedProcess[str]:
    """Start a program that is to end by itself, with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ESEP_")}
    return subprocess.run(
        [sys.executable, *(program or (str(ROOT / "server.py"),))],
        env={**kept, "ESEP_DATA_DIR": str(directory / "data"), "ESEP_CONFIG": os.devnull, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_nothing_is_served_in_plain_text_unasked(tmp_path: Path) -> None:
    """With no settings at all it does not start, says what it needs, and makes no file."""
    done = started(tmp_path, {})
    assert done.returncode == UNUSABLE
    assert done.stderr == (
        "esep: cannot start: settings: certificate_file and key_file are needed:"
        " nothing is served in plain text, but on loopback with development=true\n"
    )
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"development": True, "listen": "0.0.0.0:50051"}, "loopback only"),
        ({"development": True, "listen": "[::]:50051"}, "loopback only"),
        ({"development": True, "listen": "127.0.0.1.example:50051"}, "loopback only"),
        ({"development": True, "certificate_file": "server.pem"}, "encrypts nothing"),
        ({"development": True, "key_file": "server.key"}, "encrypts nothing"),
        ({"certificate_file": "server.pem", "client_authorities_file": "clients.pem"}, "key_file are needed"),
        ({"key_file": "server.key", "client_authorities_file": "clients.pem"}, "certificate_file and"),
        ({"certificate_file": "server.pem", "key_file": "server.key"}, "by what are callers known"),
    ],
)
def test_what_would_be_open_is_refused(settings: dict[str, str], complaint: str) -> None:
    """Plain text beyond this machine, TLS without a way to know callers, and settings that contradict one another."""
    with pytest.raises(ValidationError, match=complaint):
        RpcSettings(**settings)


def test_a_misspelt_secret_is_not_printed(tmp_path: Path) -> None:
    """Neither by the server nor by the command line: a file's wrong name is told, its value is not."""
    file = tmp_path / "esep.toml"
    file.write_text(f'database_urls = "{SECRET}"\npage_token_keys = "hunter2hunter2"\n')
    for program in ((), ("-m", "ledger.cli", "status")):
        done = started(tmp_path, {"ESEP_CONFIG": str(file)}, *program)
        assert done.returncode != 0
        said = done.stdout + done.stderr
        assert "database_urls" in said
        assert "page_token_keys" in said
        assert "hunter2" not in said


@pytest.mark.parametrize(
    "variables",
    [
        {"ESEP_PAGE_TOKEN_KEY": "hunter2hunter2", "ESEP_MAX_QUEUED": "hunter2"},
        {"ESEP_DATABASE_URL": SECRET, "ESEP_CALLERS": '{"hunter2": 1}'},
    ],
)
def test_no_complaint_holds_a_value(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """What is wrong is named; what was written there may be what belonged elsewhere."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as wrong:
        Settings()
    told = complaints(wrong.value)
    assert told
    assert "hunter2hunter2" not in told


def test_settings_are_shown_without_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """However they come to be printed."""
    monkeypatch.setenv("ESEP_DATABASE_URL", SECRET)
    monkeypatch.setenv("ESEP_PROJECTIONS_URL", SECRET)
    monkeypatch.setenv("ESEP_PAGE_TOKEN_KEY", "hunter2hunter2")
    settings = Settings()
    assert "hunter2" not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"
    assert settings.log_url.startswith(SECRET)
