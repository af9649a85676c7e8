"""The files of one SQLite ledger's projections: copies, the pointer to the live one, locks between servers.

The pointer is replaced atomically. The locks end with the process that holds them, whatever becomes of it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from projections.schema import SCHEMA_VERSION


class _Pointer(msgspec.Struct, frozen=True):
    """What the pointer file says."""

    schema_version: int
    number: int


_decode_pointer = msgspec.json.Decoder(_Pointer).decode


class CopyFiles:
    """The files beside the log at ``log_path``."""

    def __init__(self, log_path: Path) -> None:
        self._base = log_path.with_suffix(".projections")
        self._pointer_path = self._base.with_name(f"{self._base.name}.json")

    def path(self, number: int) -> Path:
        """Return where the copy of a number is, or would be."""
        return self._base.with_name(f"{self._base.name}.{number}.db")

    def named(self) -> int | None:
        """Return the number that the pointer names, of whatever schema, None where it names none."""
        pointer = self._pointer()
        return None if pointer is None else pointer.number

    def live(self) -> int | None:
        """Return the number that the pointer names where it is of today's schema."""
        pointer = self._pointer()
        return pointer.number if pointer is not None and pointer.schema_version == SCHEMA_VERSION else None

    def mark(self) -> tuple[int, int] | None:
        """Return what is another one whenever the pointer has been moved, None where there is none."""
        try:
            found = os.stat(self._pointer_path)  # noqa: PTH116 - pathlib takes three times as long
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def point_at(self, number: int) -> None:
        """Have the pointer name a copy of today's schema."""
        fresh = self._fresh_path(number)
        with fresh.open("wb") as file:
            file.write(msgspec.json.encode(_Pointer(SCHEMA_VERSION, number)))
            file.flush()
            os.fsync(file.fileno())  # Or a power cut could leave the name of a file that has no content yet.
        fresh.replace(self._pointer_path)

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """Wait until nobody else publishes a copy, and keep others from it for the length of the block."""
        held = _opened(self._base.with_name(f"{self._base.name}.lock"))
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
        finally:
            os.close(held)

    def claim(self) -> tuple[int, int]:
        """Make the file of a new copy; return its number, and the open file by which it is held as being made."""
        number = 1 + max(self._numbers(), default=0)
        while True:
            held = self._hold(number)  # Before the file is made, which without it would look abandoned.
            if held is not None and not self.path(number).exists():
                break
            if held is not None:
                os.close(held)
            number += 1  # Another server makes one just now.
        try:
            self.path(number).touch(exist_ok=False)
        except BaseException:
            os.close(held)
            raise
        return number, held

    def retire(self, number: int) -> None:
        """Delete a copy that the pointer has just left; where that fails a sweep does it."""
        with suppress(OSError):
            self.delete_abandoned(number)

    def delete_abandoned(self, number: int) -> bool:
        """Delete a copy that nobody makes and that is not live; tell whether it was so."""
        held = self._hold(number)
        if held is None:
            return False
        try:
            # Only now: who made it may have published it, and let it go, just before.
            if self.named() == number:
                return False
            self._delete(number)
            self._lock_path(number).unlink(missing_ok=True)
        finally:
            os.close(held)
        return True

    def sweep(self) -> int:
        """Delete every copy that nobody makes and that is not live; return how many."""
        return sum([self.delete_abandoned(number) for number in self._numbers()])

    def _hold(self, number: int) -> int | None:
        """Hold a copy as being made, for as long as the returned file is open; None where somebody else does."""
        path = self._lock_path(number)
        while True:
            held = _opened(path)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(held)
                return None
            with suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(held).st_ino:
                    return held
            os.close(held)  # It was deleted between the two: who comes next would hold another file.

    def _pointer(self) -> _Pointer | None:
        try:
            return _decode_pointer(self._pointer_path.read_bytes())
        except (FileNotFoundError, msgspec.DecodeError):
            return None  # One that says nothing is as good as none: the log has all that the tables had.

    def _numbers(self) -> list[int]:
        """Return of which copies there is anything, be it what was left of one half deleted."""
        prefix = f"{self._base.name}."
        files = [path.name for path in self._base.parent.iterdir() if path.name.startswith(prefix)]
        return sorted({int(number) for number in (name.split(".")[-2] for name in files) if number.isdecimal()})

    def _delete(self, number: int) -> None:
        for file in self._of(number):
            file.unlink(missing_ok=True)

    def _of(self, number: int) -> list[Path]:
        """Return the files of a copy, the one without which nobody opens the others first."""
        path = self.path(number)
        return [*(path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")), self._fresh_path(number)]

    def _fresh_path(self, number: int) -> Path:
        """Return where the pointer to a copy stands before it takes the other's place."""
        return self._pointer_path.with_suffix(f".{number}.new")

    def _lock_path(self, number: int) -> Path:
        path = self.path(number)
        return path.with_name(f"{path.name}-making")


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
