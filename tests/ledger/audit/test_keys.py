"""The keys that sign checkpoints: their file, and one following another."""

import json
import re
import stat
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from ledger.audit.signing.keys import SigningKey, SigningKeys, SigningKeysError, Validity
from ledger.audit.signing.note import verified

NAME = "esep.kg/test/0"
OLD, NEW = (b64encode(bytes([number]) * 32).decode() for number in (1, 2))
DAY = 86_400_000_000


def write(path: Path, content: Any, mode: int = 0o600) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def test_made_once(tmp_path: Path) -> None:
    """In development a key is made where there is none, for its owner's eyes, and kept from then on."""
    path = tmp_path / "keys.json"
    first = SigningKeys.load(path, create=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = SigningKeys.load(path, create=True)
    assert [key.public for key in again.keys] == [key.public for key in first.keys]


def test_never_made_in_production(tmp_path: Path) -> None:
    """Elsewhere a key that is missing is an error that names the file."""
    with pytest.raises(SigningKeysError, match=re.escape(str(tmp_path / "keys.json"))):
        SigningKeys.load(tmp_path / "keys.json", create=False)


def test_one_key_follows_another(tmp_path: Path) -> None:
    """A key signs from its beginning until before its end, and while two are valid both sign."""
    content = {
        "keys": [
            {"private_key": OLD, "valid_until": "1970-01-03T00:00:00Z"},
            {"private_key": NEW, "valid_from": "1970-01-02T06:00:00+06:00"},
        ]
    }
    keys = SigningKeys.load(write(tmp_path / "keys.json", content), create=False)
    old, new = (key.verifier(NAME) for key in keys.keys)
    for now, expected in (
        (0, [old]),
        (DAY - 1, [old]),
        (DAY, [old, new]),
        (2 * DAY - 1, [old, new]),
        (2 * DAY, [new]),
        (99 * DAY, [new]),
    ):
        assert verified(keys.sign(NAME, "text\n", now), [old, new]) == expected


def test_no_valid_key() -> None:
    """When no key is valid nothing is signed."""
    keys = SigningKeys([SigningKey(bytes(32), Validity(begins=5, ends=9))])
    for now in (4, 9):
        with pytest.raises(SigningKeysError, match="no signing key is valid"):
            keys.sign(NAME, "text\n", now)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "does not hold"),
        ([], "does not hold"),
        ({"keys": []}, "no signing key"),
        ({"keys": [{"private_key": OLD, "from": 1}]}, "does not hold"),
        ({"keys": [{"private_key": OLD, "valid_from": "1970-01-02T00:00:00"}]}, "does not hold"),
        ({"keys": [{"private_key": "!"}]}, "32 bytes"),
        ({"keys": [{"private_key": OLD[:-4]}]}, "32 bytes"),
        (
            {
                "keys": [
                    {
                        "private_key": OLD,
                        "valid_from": "1970-01-03T00:00:00Z",
                        "valid_until": "1970-01-02T00:00:00Z",
                    }
                ]
            },
            "ends before it begins",
        ),
    ],
)
def test_what_is_no_file_of_keys(tmp_path: Path, content: Any, message: str) -> None:
    """A file that is damaged, or says more than is understood, is refused, and no key is told."""
    with pytest.raises(SigningKeysError, match=message) as refused:
        SigningKeys.load(write(tmp_path / "keys.json", content), create=True)
    assert OLD[:20] not in str(refused.value)


@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_open_to_others(tmp_path: Path, mode: int) -> None:
    """Keys that others may have read are refused."""
    with pytest.raises(SigningKeysError, match="open to others"):
        SigningKeys.load(write(tmp_path / "keys.json", {"keys": [{"private_key": OLD}]}, mode), create=False)
