"""The published ELQR links and the EMV payloads beside them, and how a file of them is run."""

import json
from pathlib import Path

import pytest

from tests.conformance.qr import ELQR, EMVCO, Vector, differences, main, read_vectors

VECTORS = [*read_vectors(ELQR), *read_vectors(EMVCO)]


@pytest.mark.parametrize("vector", VECTORS, ids=[vector.id for vector in VECTORS])
def test_every_vector_reads_as_it_says(vector: Vector) -> None:
    assert list(differences(vector)) == []


def test_the_last_line_counts_and_the_exit_code_follows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A vector that reads otherwise than it says is named with its first difference."""
    vectors = json.loads(ELQR.read_text("utf-8"))["vectors"][:2]
    wrong = [vectors[0], {**vectors[1], "amount_tyiyn": 1, "name": "nobody"}]
    assert main([str(written(tmp_path, {"vectors": wrong}))]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:3] == ["FAILED elqr-01", "  amount_tyiyn: expected 1, found 5618362"]
    assert lines[-1] == '{"suite": "qr", "passed": 1, "failed": 1}'
    assert main([]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == '{"suite": "qr", "passed": 14, "failed": 0}'


@pytest.mark.parametrize("expected", [False, True])
def test_validity_is_compared_both_ways(expected: bool) -> None:  # noqa: FBT001 - pytest's way
    vector = next(vector for vector in VECTORS if vector.valid is expected)
    assert len(list(differences(vector._replace(valid=not expected)))) == 1


@pytest.mark.parametrize("document", [[], {}, {"vectors": [{"id": "a", "valid": True}]}, {"vectors": [1]}])
def test_a_file_that_holds_no_vectors_is_refused(tmp_path: Path, document: object) -> None:
    assert main([str(written(tmp_path, document))]) == 2
    assert main([str(tmp_path / "absent.json")]) == 2
    assert main(["one", "two"]) == 2


def written(directory: Path, document: object) -> Path:
    file = directory / "vectors.json"
    file.write_text(json.dumps(document), "utf-8")
    return file
