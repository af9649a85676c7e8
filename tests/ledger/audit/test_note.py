"""Signed notes: written, read, and checked by nothing but the cryptography library."""

from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.audit.signing.checkpoint import Checkpoint, origin_of
from ledger.audit.signing.keys import SigningKey, SigningKeys, Validity
from ledger.audit.signing.note import (
    COSIGNATURE,
    SIGNATURE,
    Note,
    NoteError,
    Signature,
    VerifierKey,
    cosigned,
    verified,
)

# The example in the documentation of the Go package golang.org/x/mod/sumdb/note, which defined the form.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)

SEED = bytes(range(32))
NAME = origin_of("esep.kg/test", 0)
TEXT = Checkpoint(NAME, 3, sha256(b"root").digest()).text()


def note_by(*seeds: bytes) -> Note:
    return SigningKeys([SigningKey(seed, Validity()) for seed in seeds]).sign(NAME, TEXT, 0)


def key_of(seed: bytes) -> VerifierKey:
    return SigningKey(seed, Validity()).verifier(NAME)


def witness(seed: bytes, seen_at: int, *, text: str = TEXT, name: str = "witness.example") -> tuple[VerifierKey, str]:
    """Return a witness's key, and the line by which it cosigns a text."""
    private = Ed25519PrivateKey.from_private_bytes(seed)
    key = VerifierKey(name, COSIGNATURE, private.public_key().public_bytes_raw())
    value = seen_at.to_bytes(8, "big") + private.sign(cosigned(text, seen_at))
    return key, Signature(name, key.key_id, value).line()


def test_the_published_example() -> None:
    """The note that documents the form is read, its key is understood, and its signature is that key's."""
    note, key = Note.parse(PETERS), VerifierKey.parse(PETER)
    assert str(key) == PETER
    assert str(note) == PETERS
    assert verified(note, [key]) == [key]


def test_checked_without_our_code() -> None:
    """A checkpoint's signature holds by base64, SHA-256 and Ed25519 alone."""
    private = Ed25519PrivateKey.from_private_bytes(SEED)
    public = private.public_key()
    written = str(note_by(SEED))
    text, _, line = written.partition("\n\n")
    text += "\n"
    assert text.split("\n") == [NAME, "3", b64encode(sha256(b"root").digest()).decode(), ""]
    mark, name, encoded = line.removesuffix("\n").split(" ")
    value = b64decode(encoded)
    assert (mark, name) == ("—", NAME)
    assert value[:4] == sha256(NAME.encode() + b"\n\x01" + public.public_bytes_raw()).digest()[:4]
    public.verify(value[4:], text.encode())
    with pytest.raises(InvalidSignature):
        public.verify(value[4:], text.replace("3", "4").encode())


def test_a_changed_text() -> None:
    """A note whose text was changed stands under no known signature."""
    note = note_by(SEED)
    with pytest.raises(NoteError, match="is not one of this text"):
        verified(note._replace(text=note.text.replace("\n3\n", "\n4\n")), [key_of(SEED)])


def test_an_unknown_key() -> None:
    """A note signed by keys that the verifier does not know proves nothing."""
    with pytest.raises(NoteError, match="no signature under the note is by a known key"):
        verified(note_by(SEED), [key_of(bytes(32))])


def test_either_of_two_keys() -> None:
    """A note that two keys have signed is accepted by whoever knows either."""
    note = note_by(SEED, bytes(32))
    for known in ([key_of(SEED)], [key_of(bytes(32))], [key_of(bytes(32)), key_of(SEED)]):
        assert verified(Note.parse(str(note)), known) == known


def test_a_cosignature() -> None:
    """A witness's line says when it saw the text, and is no signature of another text or time."""
    key, line = witness(SEED, 1_700_000_000)
    signature = Signature.parse(line)
    assert key.verify(TEXT, signature) == 1_700_000_000
    later = signature._replace(value=(1_700_000_001).to_bytes(8, "big") + signature.value[8:])
    for text, wrong in ((TEXT.replace("3", "4"), signature), (TEXT, later)):
        with pytest.raises(NoteError, match="is not one of this text"):
            key.verify(text, wrong)


def test_a_key_of_the_other_kind() -> None:
    """The same public key signs and cosigns under different ids: one is not taken for the other."""
    key, line = witness(SEED, 1)
    signing = VerifierKey(key.name, SIGNATURE, key.public)
    assert signing.key_id != key.key_id
    with pytest.raises(NoteError, match="is not by the key"):
        signing.verify(TEXT, Signature.parse(line))


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "text\n",
        "text\n\n",
        "text\n\n— a\n",
        "text\n\n— a AAAA\n",
        "text\n\n- a AAAAAAAA\n",
        "text\n\n— a+b AAAAAAAA\n",
        "text\n\n—  AAAAAAAA\n",
        "text\n\n— a AAAAAA!A\n",
        "text\n\n— a AAAAAAAA",
        "te\txt\n\n— a AAAAAAAA\n",
        "\n\n— a AAAAAAAA\n",
        "text\n\n" + "— a AAAAAAAA\n" * 101,
        "t" * 64_000 + "\n\n— a AAAAAAAA\n",
        f"text\n\n— {'a' * 129} AAAAAAAA\n",
    ],
)
def test_what_is_no_note(wrong: str) -> None:
    """Anything but a text, an empty line and lines of signatures is refused."""
    with pytest.raises(NoteError):
        Note.parse(wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "a",
        "a+00000000",
        f"a+00000000+{b64encode(bytes([1]) + SEED).decode()}",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T",
        f"a+00000000+{b64encode(bytes([2]) + SEED).decode()}",
        f"a b+00000000+{b64encode(bytes([1]) + SEED).decode()}",
    ],
)
def test_what_is_no_key(wrong: str) -> None:
    """A key whose name, id, kind or length is wrong is refused."""
    with pytest.raises(NoteError):
        VerifierKey.parse(wrong)


def test_a_checkpoint() -> None:
    """A checkpoint is read as it was written, with or without further lines."""
    checkpoint = Checkpoint(NAME, 3, sha256(b"root").digest())
    assert Checkpoint.parse(checkpoint.text()) == checkpoint
    assert Checkpoint.parse(checkpoint.text() + "more\n") == checkpoint


@pytest.mark.parametrize("size", ["03", "-3", "3.0", "", "٣", "9" * 20, "0x3"])
def test_no_size(size: str) -> None:
    """A size is written in one way only."""
    with pytest.raises(NoteError, match="size is a decimal"):
        Checkpoint.parse(TEXT.replace("\n3\n", f"\n{size}\n"))


@pytest.mark.parametrize("wrong", ["", "origin", "origin\n3\n", "\n3\nAAAA\n", "o\n3\nAAAA\n", "o\n3\n!\n"])
def test_what_is_no_checkpoint(wrong: str) -> None:
    """A text without origin, size and root is refused."""
    with pytest.raises(NoteError):
        Checkpoint.parse(wrong)
