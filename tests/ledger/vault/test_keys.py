"""Master keys in a file: made for the owner alone, refused when others can read it, rotated in place."""

import json
import os
import stat
from pathlib import Path

import pytest

from ledger.vault.codes import FileCodes, NoCodes
from ledger.vault.errors import KeysRefused
from ledger.vault.keys import FileKeys, HeldKeys, add_key


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the path of a file of keys that has just been made."""
    path = tmp_path / "keys.json"
    FileKeys.load(path, create=True)
    return path


def test_the_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """Whatever the process's own mask allows, nobody else may read the keys."""
    before = os.umask(0)
    try:
        FileKeys.load(tmp_path / "keys.json", create=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600


def test_the_same_keys_are_read_again(path: Path) -> None:
    """A restart unwraps what was wrapped, and finds what was hashed."""
    first, again = FileKeys.load(path, create=True), FileKeys.load(path, create=False)
    wrapped = first.wrap(b"k" * 32, b"ana")
    assert again.unwrap(wrapped, b"ana") == b"k" * 32
    assert again.hash("login", b"x") == first.hash("login", b"x") != first.hash("phone", b"x")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o777])
def test_a_file_open_to_others_is_refused(path: Path, mode: int) -> None:
    """Keys that somebody else may have read or changed are not used."""
    path.chmod(mode)
    with pytest.raises(KeysRefused, match="open to others"):
        FileKeys.load(path, create=True)
    with pytest.raises(KeysRefused, match="open to others"):
        add_key(path)


def test_outside_development_no_keys_are_made(tmp_path: Path) -> None:
    """A server whose keys were mislaid must not start with fresh ones that read nothing."""
    with pytest.raises(KeysRefused, match="no master keys"):
        FileKeys.load(tmp_path / "keys.json", create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"current":"1","keys":{"1":"AAAA"},"hash_key":"AAAA"}', "null"])
def test_a_file_that_holds_no_keys_is_refused(path: Path, content: str) -> None:
    """Anything but whole keys is told, not guessed at."""
    path.write_text(content)
    with pytest.raises(KeysRefused):
        FileKeys.load(path, create=True)


def test_a_key_is_added_beside_the_old_ones(path: Path) -> None:
    """Rotation keeps the old keys and the key of the hashes, makes the new one current, and keeps the mode."""
    before = FileKeys.load(path, create=False)
    wrapped = before.wrap(b"k" * 32, b"ana")
    assert [add_key(path), add_key(path)] == ["2", "3"]
    after = FileKeys.load(path, create=False)
    assert (before.current, after.current) == ("1", "3")
    assert before.unwrap(after.wrap(b"n" * 32, b"ana"), b"ana") == b"n" * 32
    assert after.unwrap(wrapped, b"ana") == b"k" * 32
    assert after.hash("login", b"x") == before.hash("login", b"x")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len({*json.loads(path.read_text())["keys"].values()}) == 3


def test_a_current_key_that_is_not_there_is_refused() -> None:
    """Keys of the wrong size, or without the current one, are no keys."""
    with pytest.raises(KeysRefused):
        HeldKeys({"1": bytes(32)}, "2", bytes(32))
    with pytest.raises(KeysRefused):
        HeldKeys({"1": bytes(16)}, "1", bytes(32))


def test_codes_are_written_for_the_owner_alone(tmp_path: Path) -> None:
    """The file of codes holds customer and code, never the phone number."""
    FileCodes(tmp_path / "codes").send("ana", "+996700123456", "123456")
    FileCodes(tmp_path / "codes").send("bek", "+996700000001", "000000")
    assert (tmp_path / "codes").read_text() == "ana 123456\nbek 000000\n"
    assert stat.S_IMODE((tmp_path / "codes").stat().st_mode) == 0o600


def test_without_a_sender_no_code_is_accepted() -> None:
    """Nobody waits for a code that nothing will bring."""
    with pytest.raises(OSError, match="no sender"):
        NoCodes().send("ana", "+996700123456", "123456")
