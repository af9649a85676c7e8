"""Signed notes (C2SP signed-note): a text, and lines of signatures under it, each by a named Ed25519 key.

A key is told apart by its name and by four bytes that follow from name, kind and public key. Two kinds are known: the
ledger's own signature over the text, and a witness's *cosignature* (C2SP tlog-cosignature), which signs the text
together with the time at which it was seen. Signatures by unknown keys are kept and count for nothing.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable
from hashlib import sha256
from typing import Final, NamedTuple, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNATURE: Final = 1
"""The kind of an Ed25519 key that signs notes."""
COSIGNATURE: Final = 4
"""The kind of an Ed25519 key by which a witness cosigns checkpoints."""

MAX_NOTE_BYTES: Final = 64_000
MAX_SIGNATURES: Final = 100
MAX_NAME_BYTES: Final = 128

_MARK: Final = "\N{EM DASH} "
_SIGNATURE_BYTES: Final = 64
_PUBLIC_BYTES: Final = 32
_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8


class NoteError(ValueError):
    """A note, a key or a signature that is not what it should be; the message says how."""


class Signature(NamedTuple):
    """One line under a note."""

    name: str
    key_id: bytes
    value: bytes

    def line(self) -> str:
        """Return the line, without its end."""
        return f"{_MARK}{self.name} {b64encode(self.key_id + self.value).decode()}"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a line without its end; raises NoteError."""
        name, _, encoded = line.removeprefix(_MARK).partition(" ")
        if not line.startswith(_MARK) or not encoded:
            raise NoteError("a signature line is an em dash, a name and a signature in base64")
        check_name(name)
        value = _decoded(encoded, "a signature")
        if len(value) <= _ID_BYTES:
            raise NoteError("a signature is longer than the id of its key")
        return cls(name, value[:_ID_BYTES], value[_ID_BYTES:])


class Note(NamedTuple):
    """A text, which ends with a newline, and the signatures under it."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, note: str) -> Self:
        """Read a note; raises NoteError."""
        if len(note.encode()) > MAX_NOTE_BYTES:
            raise NoteError(f"a note has at most {MAX_NOTE_BYTES} bytes")
        if any(each < " " and each != "\n" for each in note):
            raise NoteError("a note holds no control characters")
        text, blank, signed = note.rpartition("\n\n")
        if not blank or not text or not signed.endswith("\n"):
            raise NoteError("a note is a text, an empty line and lines of signatures")
        lines = signed.removesuffix("\n").split("\n")
        if len(lines) > MAX_SIGNATURES:
            raise NoteError(f"a note has at most {MAX_SIGNATURES} signatures")
        return cls(text + "\n", tuple(Signature.parse(line) for line in lines))

    def __str__(self) -> str:
        return f"{self.text}\n" + "".join(f"{each.line()}\n" for each in self.signatures)


class VerifierKey(NamedTuple):
    """A public key, under its name and for its kind of signature."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """What tells the key apart from others of the same name."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(bytes([self.kind]) + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a key as it is written: ``name+id+base64``; raises NoteError."""
        name, _, rest = text.partition("+")
        key_id, _, encoded = rest.partition("+")
        check_name(name)
        value = _decoded(encoded, "a key")
        if len(value) != 1 + _PUBLIC_BYTES or value[0] not in (SIGNATURE, COSIGNATURE):
            raise NoteError(f"the key of {name} is not an Ed25519 key that signs or cosigns")
        key = cls(name, value[0], value[1:])
        if key.key_id.hex() != key_id:
            raise NoteError(f"the id of the key of {name} is {key.key_id.hex()}, not {key_id[:8]!r}")
        return key

    def made(self, signature: Signature) -> bool:
        """Tell whether a signature says that it is this key's."""
        return signature.name == self.name and signature.key_id == self.key_id

    def verify(self, text: str, signature: Signature) -> int:
        """Return when a cosignature was made, in seconds since the Unix epoch, 0 for a signature; raises NoteError."""
        if not self.made(signature):
            raise NoteError(f"the signature is not by the key {self.key_id.hex()} of {self.name}")
        seen_at, value, message = 0, signature.value, text.encode()
        if self.kind == COSIGNATURE:
            seen_at, value = int.from_bytes(value[:_TIME_BYTES], "big"), value[_TIME_BYTES:]
            message = cosigned(text, seen_at)
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(value, message)
        except InvalidSignature:
            raise NoteError(f"the signature by {self.name} is not one of this text") from None
        return seen_at


def cosigned(text: str, seen_at: int) -> bytes:
    """Return what a witness signs that saw a text at a time, in seconds since the Unix epoch."""
    return f"cosignature/v1\ntime {seen_at}\n{text}".encode()


def verified(note: Note, keys: Iterable[VerifierKey]) -> list[VerifierKey]:
    """Return those of the keys under whose signatures the note stands.

    Raises NoteError when one of them did not sign this text although a line says so, or when none did.
    """
    found = []
    for key in keys:
        for signature in note.signatures:
            if key.made(signature):
                key.verify(note.text, signature)
                found.append(key)
    if not found:
        raise NoteError("no signature under the note is by a known key")
    return found


def check_name(name: str) -> None:
    """Raise NoteError unless a key may have this name."""
    if not name or "+" in name or any(each.isspace() or not each.isprintable() for each in name):
        raise NoteError("a key's name is not empty and has neither spaces nor plus signs")
    if len(name.encode()) > MAX_NAME_BYTES:
        raise NoteError(f"a key's name has at most {MAX_NAME_BYTES} bytes")


def _decoded(encoded: str, what: str) -> bytes:
    try:
        return b64decode(encoded, validate=True)
    except ValueError:
        raise NoteError(f"{what} is written in base64") from None
