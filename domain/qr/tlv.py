"""The shape both formats share: a 2-digit id, a 2-digit length in characters, the value.

A length counts Unicode code points, as Python does: not bytes, and not the UTF-16 units that some platforms call
characters (an emoji beyond the Basic Multilingual Plane is 1 here and 2 there). Only ASCII digits are digits.
Templates are values of the same shape; they are opened one level deep, where a format says so, and no deeper.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, Self

from domain.qr.problems import QrReason, refusal

MAX_VALUE: Final = 99
_HEAD: Final = 4


class Field(NamedTuple):
    """One tag as it stands in the text: its value, its path from the outside, and where it begins."""

    tag: str
    value: str
    path: str
    offset: int

    @property
    def value_offset(self) -> int:
        """Return where the value begins."""
        return self.offset + _HEAD


class Template:
    """Tags of one level by their id; raises QrRefused when one stands twice."""

    def __init__(self, fields: Iterable[Field], path: str = "", offset: int = 0) -> None:
        self._path = path
        self._offset = offset
        self._fields: dict[str, Field] = {}
        for field in fields:
            if field.tag in self._fields:
                raise refusal(QrReason.QR_TAG_REPEATED, field.path, field.offset)
            self._fields[field.tag] = field

    def __contains__(self, tag: str) -> bool:
        return tag in self._fields

    def __iter__(self) -> Iterator[Field]:
        return iter(self._fields.values())

    def get(self, tag: str) -> Field | None:
        """Return a tag, or None when it is absent."""
        return self._fields.get(tag)

    def value(self, tag: str) -> str:
        """Return a tag's value, empty when it is absent."""
        field = self._fields.get(tag)
        return "" if field is None else field.value

    def require(self, tag: str) -> Field:
        """Return a mandatory tag; raises QrRefused when it is absent."""
        field = self._fields.get(tag)
        if field is None:
            raise refusal(QrReason.QR_TAG_MISSING, join(self._path, tag), self._offset)
        return field

    def without_empty(self) -> Self:
        """Return the same without tags of length 00, which say nothing."""
        return type(self)((field for field in self if field.value), self._path, self._offset)


def split(text: str, path: str = "", offset: int = 0) -> list[Field]:
    """Divide a text into its tags, in order; raises QrRefused where it cannot be divided."""
    fields = []
    at = 0
    while at < len(text):
        tag, length = text[at : at + 2], text[at + 2 : at + _HEAD]
        if not digits(tag):
            raise refusal(QrReason.QR_TAG, path, offset + at)
        if len(tag) + len(length) < _HEAD:
            raise refusal(QrReason.QR_TRUNCATED, path, offset + at)
        here = join(path, tag)
        if not digits(length):
            raise refusal(QrReason.QR_LENGTH, here, offset + at)
        end = at + _HEAD + int(length)
        if end > len(text):
            raise refusal(QrReason.QR_TRUNCATED, here, offset + at)
        fields.append(Field(tag, text[at + _HEAD : end], here, offset + at))
        at = end
    return fields


def open_template(field: Field | None, path: str) -> Template:
    """Return the tags inside a tag; an absent tag has none."""
    if field is None:
        return Template((), path)
    return Template(split(field.value, field.path, field.value_offset), field.path, field.offset)


def put(tag: str, value: str, path: str = "") -> str:
    """Return a tag as text, nothing for an empty value; raises QrRefused when it is longer than 99 characters."""
    if len(value) > MAX_VALUE:
        raise refusal(QrReason.QR_LENGTH, join(path, tag))
    return f"{tag}{len(value):02d}{value}" if value else ""


def digits(text: str) -> bool:
    """Return whether a text is ASCII digits and nothing else, and is not empty."""
    return text.isascii() and text.isdigit()


def join(path: str, tag: str) -> str:
    """Return the path of a tag inside another."""
    return f"{path}.{tag}" if path else tag
