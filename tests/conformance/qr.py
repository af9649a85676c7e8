"""``python -m tests.conformance.qr [FILE]``: read a file of QR codes, print differences and one line of JSON.

A vector carries a ``link`` (ELQR) or a ``payload`` (EMV), ``valid``, and for a valid one what it decodes to: any of
``dynamic``, ``amount_tyiyn`` and ``name``. An invalid one is refused with some reason; ``why`` is not compared.

Exit codes: 0 when every vector passed, 1 when one failed, 2 when the file cannot be read.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from domain.qr import QrCode, QrProblem, read

SUITE: Final = "qr"
ELQR: Final = Path(__file__).parent / "elqr.json"
EMVCO: Final = Path(__file__).parent / "emvco.json"
_ATTRIBUTES: Final = {"dynamic": "dynamic", "amount_tyiyn": "amount_tyiyn", "name": "merchant_name"}


class VectorError(Exception):
    """A file of vectors cannot be read."""


class Vector(NamedTuple):
    """A text, whether it is a code, and what the code says."""

    id: str
    text: str
    valid: bool
    expected: dict[str, Any]


def main(arguments: list[str]) -> int:
    """Read the file named by the only argument, or the one that stands here."""
    if len(arguments) > 1:
        sys.stderr.write("usage: python -m tests.conformance.qr [FILE]\n")
        return 2
    try:
        vectors = read_vectors(Path(arguments[0]) if arguments else ELQR)
    except VectorError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    failed = 0
    for vector in vectors:
        difference = next(differences(vector), "")
        failed += difference != ""
        sys.stdout.write(f"FAILED {vector.id}\n  {difference}\n" if difference else f"passed {vector.id}\n")
    sys.stdout.write(json.dumps({"suite": SUITE, "passed": len(vectors) - failed, "failed": failed}) + "\n")
    return 1 if failed else 0


def read_vectors(file: Path) -> list[Vector]:
    """Return the vectors of a file; raises VectorError when it is not such a file."""
    try:
        document = json.loads(file.read_text("utf-8"))
        return [_vector(each) for each in document["vectors"]]
    except OSError as error:
        raise VectorError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise VectorError(f"{file} is not JSON in UTF-8: {error}") from error
    except KeyError as error:
        raise VectorError(f"{file} is not a file of QR vectors: {error} is missing") from error
    except TypeError as error:
        raise VectorError(f"{file} is not a file of QR vectors: {error}") from error


def differences(vector: Vector) -> Iterator[str]:
    """Yield what a vector says and the reader does not."""
    match read(vector.text):
        case QrProblem() as problem if vector.valid:
            yield f"expected a valid code, refused with {problem.reason.name}: {problem.message}"
        case QrCode() as code if not vector.valid:
            yield f"expected a refusal, read {code}"
        case QrCode() as code:
            for field, expected in vector.expected.items():
                found = getattr(code, _ATTRIBUTES[field])
                if found != expected or type(found) is not type(expected):
                    yield f"{field}: expected {expected!r}, found {found!r}"
        case _:
            pass


def _vector(each: dict[str, Any]) -> Vector:
    text = each["link"] if "link" in each else each["payload"]
    if not isinstance(text, str) or not isinstance(each["valid"], bool):
        raise TypeError(f"vector {each['id']}: a text and true or false are needed")
    return Vector(str(each["id"]), text, each["valid"], {field: each[field] for field in _ATTRIBUTES if field in each})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
