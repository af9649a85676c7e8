"""Handing a confirmation code to whatever brings it to a phone."""

import os
from pathlib import Path
from typing import Protocol


class CodeSender(Protocol):
    """Takes a code to be sent; returns when it has been accepted. Raises OSError when it was not."""

    def send(self, customer_id: str, phone_number: str, code: str) -> None: ...


class FileCodes:
    """For development: appends customer and code to a file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, customer_id: str, phone_number: str, code: str) -> None:
        number = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(number, "w", encoding="ascii") as file:
            file.write(f"{customer_id} {code}\n")


class NoCodes:
    """Sends nothing: where no sender is set up, nobody can register."""

    def send(self, customer_id: str, phone_number: str, code: str) -> None:
        raise OSError("no sender of confirmation codes is set up")
