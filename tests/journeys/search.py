"""A search for what must stand nowhere: known secrets in any form, and card and phone numbers by their shape.

The pieces searched are whole files, byte for byte (a deleted row may still stand in a page), and every value of every
table by itself (a value may be cut in two by pages). What is found is told by where it is and in which form, never by
its value.
"""

import hashlib
import json
import re
import sqlite3
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg import sql
from stdnum import luhn

LONG = 8
"""So many characters do not stand anywhere by chance; shorter secrets are looked for as whole values and words."""
_CARD = re.compile(rb"(?=(9417(?:[ -]?[0-9]){12}))")
_PHONE = re.compile(rb"\+996[ -]?[0-9]{3}[ -]?[0-9]{2,3}[ -]?[0-9]{2,3}[ -]?[0-9]{0,2}")
_FIELDS = re.compile(rb'"(?:cvv|pin|password|passcode|pan|card_number|token_number|phone_number)"\s*:')


class Piece(NamedTuple):
    """Something that was written. ``value`` is true of one value or line, false of a whole file."""

    where: str
    data: bytes
    value: bool


class Secrets:
    """What must stand nowhere: texts, and keys as bytes."""

    def __init__(self, texts: Iterable[str], keys: Iterable[bytes] = ()) -> None:
        self._words = [text for text in set(texts) if len(text) < LONG]
        self._forms: dict[bytes, str] = {}
        for text in set(texts) - set(self._words):
            self._forms |= dict(_forms(text))
        for key in keys:
            self._forms |= dict(_key_forms(key))

    def found(self, pieces: Iterable[Piece]) -> list[str]:
        """Return where anything stands, and as what."""
        return sorted({f"{piece.where}: {what}" for piece in pieces for what in self._in(piece)})

    def _in(self, piece: Piece) -> Iterator[str]:
        yield from (how for form, how in self._forms.items() if form in piece.data)
        if any(luhn.is_valid(_digits(match[1])) for match in _CARD.finditer(piece.data)):
            yield "a number of a card or a token"
        if any(len(_digits(match[0])) == 12 for match in _PHONE.finditer(piece.data)):
            yield "a phone number"
        if _FIELDS.search(piece.data):
            yield "a field for a secret"
        if piece.value:
            yield from self._words_in(piece.data)

    def _words_in(self, data: bytes) -> Iterator[str]:
        """Find short secrets: as a text of their own, or as a word within one."""
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return
        texts = list(_texts(text))
        for word in self._words:
            whole = re.compile(rf"(?<![\w.,*+-])(?<!\d:){re.escape(word)}(?![\w-]|[.,:]\d)")
            if any(whole.search(each) for each in texts):
                yield f"a secret of {len(word)} characters"


def _forms(text: str) -> Iterator[tuple[bytes, str]]:
    """Yield the ways in which a text may be written."""
    data = text.encode()
    yield data, "a secret"
    yield text.encode("utf-16-le"), "a secret in UTF-16"
    yield json.dumps(text)[1:-1].encode(), "a secret in JSON"
    yield data.hex().encode(), "a secret in hexadecimal digits"
    yield data[::-1], "a secret backwards"
    if text.isdigit() and len(text) % 2 == 0:
        yield bytes.fromhex(text), "a secret in packed decimals"
        yield text[6:].encode(), "a secret without its first digits"
    if text.startswith("+996"):
        yield text[1:].encode(), "a phone number without its plus"
        yield b"0" + text[4:].encode(), "a phone number as it is dialled at home"
    yield from ((form, "a secret in base64") for form in _base64(data))
    for name in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(name, data, usedforsecurity=False).digest()
        yield digest, f"{name} of a secret"
        yield digest.hex().encode(), f"{name} of a secret"
    if re.fullmatch(r"[0-9a-f]{32,}", text):
        yield from _key_forms(bytes.fromhex(text))


def _key_forms(key: bytes) -> Iterator[tuple[bytes, str]]:
    yield key, "a key"
    yield key.hex().encode(), "a key in hexadecimal digits"
    yield from ((form, "a key in base64") for form in _base64(key))


def _base64(data: bytes) -> Iterator[bytes]:
    """Yield what is sure to stand in the base64 of anything that holds this, at each of three offsets."""
    for offset in range(3):
        encoded = b64encode(bytes(offset) + data)
        yield encoded[(0, 2, 3)[offset] : len(encoded) - (0, 3, 2)[(offset + len(data)) % 3] - 1]


def _digits(number: bytes) -> str:
    return "".join(character for character in number.decode() if character.isdigit())


def _texts(text: str) -> Iterator[str]:
    """Yield the texts in a value: those of a JSON document, or the value itself."""
    try:
        yield from _leaves(json.loads(text))
    except ValueError:
        yield text


def _leaves(document: Any) -> Iterator[str]:
    match document:
        case str():
            yield document
        case list():
            for each in document:
                yield from _leaves(each)
        case dict():
            for name, each in document.items():
                yield name
                yield from _leaves(each)
        case _:
            pass  # Numbers and truths are no text.


# Where to look.


def files(directory: Path, apart_from: Iterable[str]) -> Iterator[Piece]:
    """Yield every file of a directory, and every value of every table of those that are databases of SQLite."""
    for path in sorted(path for path in directory.rglob("*") if path.is_file() and path.name not in set(apart_from)):
        data = content(path)
        yield Piece(path.name, data, value=False)
        if data.startswith(b"SQLite format 3\0"):
            yield from sqlite_tables(path)


def content(path: Path) -> bytes:
    """Return what a file holds: nothing where it was deleted since it was listed, as a running server may do."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def sqlite_tables(path: Path) -> Iterator[Piece]:
    """Yield every value of every table of a database."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            rows = database.execute(f'SELECT * FROM "{name}"')  # noqa: S608 - the database's own names
            columns = [column[0] for column in rows.description]
            for row in rows:
                yield from _values(f"{path.name}, {name}", dict(zip(columns, row, strict=True)))


def postgres_tables(url: str) -> Iterator[Piece]:
    """Yield every value of every table of a database in PostgreSQL."""
    with psycopg.connect(url) as connection:
        names = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        ).fetchall()
        for schema, name in names:
            rows = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(schema, name)))
            columns = [column.name for column in rows.description or ()]
            for row in rows:
                yield from _values(f"{schema}.{name}", dict(zip(columns, row, strict=True)))


def lines(where: str, text: str) -> Iterator[Piece]:
    """Yield the lines of an output, and the whole of it."""
    yield Piece(where, text.encode(), value=False)
    yield from (Piece(where, line.encode(), value=True) for line in text.splitlines())


def _values(where: str, row: Mapping[str, Any]) -> Iterator[Piece]:
    for column, value in row.items():
        data = bytes(value) if isinstance(value, bytes | memoryview) else str(value).encode()
        yield Piece(f"{where}.{column}", data, value=True)
