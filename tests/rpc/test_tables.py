"""Reason, kind, code: tables without a gap."""

import grpc
import pytest

from domain.refusals import Kind, Reason, Refusal, Violation
from ledger.rpc import errors

RETRIED = {reason for reason in Reason if reason.value.kind in (Kind.EXHAUSTED, Kind.UNAVAILABLE)}
NOT_FOUND = {reason for reason in Reason if reason.value.kind is Kind.NOT_FOUND}
INVALID = {reason for reason in Reason if reason.value.kind is Kind.INVALID}


def test_every_kind_has_a_code_of_its_own() -> None:
    """A client tells the kinds of refusal apart by the canonical code alone."""
    assert set(errors.CODES) == set(Kind)
    assert len(set(errors.CODES.values())) == len(Kind)
    assert grpc.StatusCode.UNKNOWN not in errors.CODES.values()


def test_the_tables_by_reason_are_exhaustive() -> None:
    """Every reason has exactly the details that its kind promises."""
    assert set(errors.RETRY_SECONDS) == RETRIED
    assert set(errors.RESOURCES) == NOT_FOUND
    assert set(errors.FIELDS) == INVALID - {Reason.INVALID_ARGUMENT}


@pytest.mark.parametrize("reason", list(Reason), ids=lambda reason: reason.name)
def test_every_reason_makes_a_status_that_fits_into_trailers(reason: Reason) -> None:
    """However much is wrong, the details stay below what clients accept as trailers."""
    wrong = tuple(Violation(f"transfers[{n}].reference", "STRING_TOO_LONG", "x" * 1_000) for n in range(8_190))
    status = errors.status(Refusal(reason, {"account_id": "1"}, wrong if reason in INVALID else ()))
    assert status.code == errors.code(reason).value[0]
    assert status.ByteSize() < 7_000


@pytest.mark.parametrize(("reason", "field"), errors.FIELDS.items(), ids=lambda each: getattr(each, "name", ""))
def test_a_reason_that_tells_which_field_is_at_fault_says_so_in_words_too(reason: Reason, field: str) -> None:
    """Whoever reads the message alone finds the field, and however often it is put into the request's terms."""
    refusal = Refusal(reason)
    assert errors.status(refusal).message == f"{field}: {reason.value.meaning}"
    assert errors.status(errors.repath(refusal)) == errors.status(refusal)
