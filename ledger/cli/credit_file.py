"""A credit file on disk: reading it, and remembering beside it under which id it is being paid.

The file is read as a whole before anything is sent, so that what cannot be read is named line by line and nothing of
it is paid. The id is made once and kept in a state file beside the file, together with a digest of all that is paid:
whoever was interrupted goes on under the same id, and a file that was changed meanwhile is not taken for the same one.
"""

import csv
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Final, NamedTuple

from domain.credit import MAX_LINE_NUMBER, Category
from domain.forms import ACCOUNT_NUMBER, PARTICIPANT
from domain.ids import format_uuid, parse_uuid
from domain.money import MAX_AMOUNT
from ledger.cli.problems import USAGE, Problem, ProblemError
from protos.esep.v1 import credit_pb2

HEADER: Final = ("line", "account_number", "amount", "reference")
_MINOR_DIGITS: Final = 2
_SHOWN: Final = 20
_MAX_REFERENCE: Final = 64


class Paying(NamedTuple):
    """What a file is paid as."""

    category: Category
    participant: str
    account_id: int
    payer_name: str
    reference: str


class ReadLine(NamedTuple):
    """A line as it stands in the file."""

    number: int
    participant: str
    account_number: str
    amount: int
    reference: str

    def message(self) -> credit_pb2.NewCreditLine:
        """Return the line as it is sent."""
        named = credit_pb2.CreditAccountNumber(participant_id=self.participant, account_number=self.account_number)
        return credit_pb2.NewCreditLine(
            line_number=self.number,
            target=credit_pb2.CreditTarget(account_number=named),
            amount_tyiyn=self.amount,
            reference=self.reference,
        )


def read_lines(path: Path, participant: str) -> list[ReadLine]:
    """Return the lines of a file; raises ProblemError naming those that cannot be read.

    An account number without a bank before it is one of ``participant``'s own.
    """
    try:
        return _lines(path, participant)
    except UnicodeDecodeError:
        raise _unreadable(path, ["it is not encoded in UTF-8"]) from None
    except csv.Error as error:
        raise _unreadable(path, [f"it is no CSV: {error}"]) from None


def _lines(path: Path, participant: str) -> list[ReadLine]:
    wrong: list[str] = []
    lines: dict[int, ReadLine] = {}
    with path.open(encoding="utf-8-sig", newline="") as opened:
        rows = csv.DictReader(opened)
        if tuple(rows.fieldnames or ()) not in (HEADER, HEADER[:-1]):
            raise _unreadable(path, [f"the first line is not {','.join(HEADER)}"])
        for row in rows:
            try:
                line = _line(row, participant)
                if line.number in lines:
                    raise ValueError(f"line {line.number} stands in the file twice")
                lines[line.number] = line
            except ValueError as error:
                wrong.append(f"row {rows.line_num}: {error}")
    if wrong or not lines:
        raise _unreadable(path, wrong or ["there are no lines"])
    return list(lines.values())


def _line(row: dict[str, str], participant: str) -> ReadLine:
    if None in row or None in row.values():
        raise ValueError("has not as many fields as the first line")
    number = row["line"].strip()
    if not number.isascii() or not number.isdecimal() or not 1 <= int(number) <= MAX_LINE_NUMBER:
        raise ValueError(f"{number!r} is no line number from 1 to {MAX_LINE_NUMBER}")
    bank, slash, account = row["account_number"].strip().rpartition("/")
    if not ACCOUNT_NUMBER.fullmatch(account) or (slash and not PARTICIPANT.fullmatch(bank)):
        raise ValueError(f"{row['account_number']!r} is no account number, nor bank/number")
    reference = (row.get("reference") or "").strip()
    if len(reference) > _MAX_REFERENCE or not reference.isprintable():
        raise ValueError(f"the reference is longer than {_MAX_REFERENCE} characters, or not printable")
    return ReadLine(int(number), bank if slash else participant, account, _tyiyn(row["amount"].strip()), reference)


def _tyiyn(som: str) -> int:
    """Return an amount in som, with up to two decimals, in tyiyn."""
    whole, _, rest = som.partition(".")
    digits = whole + rest
    if not (digits.isascii() and digits.isdecimal() and whole and len(rest) <= _MINOR_DIGITS):
        raise ValueError(f"{som!r} is no amount in som, such as 45000 or 45000.50")
    amount = int(whole + rest.ljust(_MINOR_DIGITS, "0"))
    if amount > MAX_AMOUNT:
        raise ValueError(f"{som} is more than can be paid at once")
    return amount


def _unreadable(path: Path, wrong: list[str]) -> ProblemError:
    more = [] if len(wrong) <= _SHOWN else [f"and {len(wrong) - _SHOWN} more"]
    advice = "Correct the file. Nothing of it was paid now."
    return ProblemError(Problem("FILE_UNREADABLE", f"{path}: {'; '.join([*wrong[:_SHOWN], *more])}.", advice), USAGE)


def state_path(path: Path) -> Path:
    """Return where the id of a file is kept: beside it."""
    return path.with_name(f"{path.name}.esep.json")


def file_id(path: Path, paying: Paying, lines: list[ReadLine]) -> str:
    """Return the id under which a file is paid: the one kept beside it, else a new one, kept from now on."""
    digest = hashlib.sha256(json.dumps([paying, lines]).encode()).hexdigest()
    state = state_path(path)
    if state.exists():
        return _kept(state, digest)
    new = new_id()
    fresh = state.with_name(f"{state.name}.new")
    with fresh.open("w", encoding="utf-8") as opened:
        json.dump({"credit_file_id": new, "digest": digest}, opened)
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(state)
    directory = os.open(state.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return new


def _kept(state: Path, digest: str) -> str:
    try:
        kept = json.loads(state.read_text("utf-8"))
        parse_uuid(kept["credit_file_id"])
        same = kept["digest"] == digest
    except (ValueError, KeyError, TypeError) as error:
        advice = "Restore it, or find the file's id in the ledger: with another one it would be paid again."
        raise ProblemError(Problem("STATE_UNREADABLE", f"{state}: {error}", advice), USAGE) from None
    if not same:
        advice = "Give corrected lines new numbers in a file of their own, and pay that."
        raise ProblemError(
            Problem("FILE_CHANGED", f"The file, or how it is paid, is not what {state} was made for.", advice), USAGE
        )
    return str(kept["credit_file_id"])


def new_id() -> str:
    """Return a fresh UUIDv7 (RFC 9562)."""
    made = time.time_ns() // 1_000_000
    some = os.urandom(10)
    return format_uuid(made.to_bytes(6) + bytes([0x70 | some[0] & 0xF, some[1], 0x80 | some[2] & 0x3F]) + some[3:])
