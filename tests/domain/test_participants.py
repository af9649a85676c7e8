"""Participants: registering a bank with its names and its two accounts, and changing them."""

from typing import Any

import pytest

from domain.account import AccountClosed, AccountKind, AccountOpened
from domain.participant import (
    Names,
    NamesModel,
    Participant,
    ParticipantRegistered,
    ParticipantUpdated,
    RegisterParticipant,
    UpdateParticipant,
    find_participant,
    participant_key,
)
from domain.refusals import Reason, Refusal
from tests.domain.spec import ANA, NOBODY, SETTLEMENT, Spec

FEES, OTHERS, DOLLARS = 7, 8, 9
NAMES = {"ky": "Айыл банк", "ru": "Айыл Банк", "en": "Aiyl Bank"}
REGISTERED = ParticipantRegistered(
    participant="bank-a", names=Names(**NAMES), settlement_account=SETTLEMENT, fee_account=FEES
)


def spec() -> Spec:
    fees: dict[str, Any] = {"kind": AccountKind.FEE_INCOME, "currency": "KGS", "participant": "bank-a"}
    return Spec().given(
        (FEES, AccountOpened(**fees)),
        (OTHERS, AccountOpened(**{**fees, "participant": "bank-b"})),
        (DOLLARS, AccountOpened(**{**fees, "currency": "USD"})),
    )


def fields(**changed: Any) -> dict[str, Any]:
    return {
        "participant_id": "bank-a",
        "names": NamesModel(**NAMES),
        "settlement_account_id": SETTLEMENT,
        "fee_account_id": FEES,
        **changed,
    }


def test_a_bank_is_registered_once() -> None:
    """Its names and accounts are as given, and a second registration is declined."""
    world = spec().when(RegisterParticipant(**fields())).then(REGISTERED)
    found = find_participant(world.books, "bank-a")
    assert isinstance(found, Participant)
    assert (found.names.ky, found.settlement_account, found.fee_account, found.version) == ("Айыл банк", 5, 7, 1)
    world.when(RegisterParticipant(**fields())).then_refused(Reason.PARTICIPANT_ALREADY_REGISTERED)


def test_a_registered_bank_gets_other_names_and_accounts() -> None:
    """An update gives all of them anew, at the version that the caller expects."""
    world = spec().given((participant_key("bank-a"), REGISTERED)).after(5)
    world.when(UpdateParticipant(**fields(expected_version=2))).then_refused(
        Reason.EXPECTED_VERSION_MISMATCH, actual="1"
    )
    renamed = NamesModel(**{**NAMES, "en": "Village Bank"})
    world.when(UpdateParticipant(**fields(names=renamed, expected_version=1)))
    world.then(
        ParticipantUpdated(
            participant="bank-a", names=renamed.struct(), settlement_account=SETTLEMENT, fee_account=FEES
        )
    )
    found = find_participant(world.books, "bank-a")
    assert isinstance(found, Participant)
    assert (found.names.en, found.version, found.updated_at - found.created_at) == ("Village Bank", 2, 7)


def test_a_bank_that_is_not_registered_is_not_updated() -> None:
    """Nothing is known of a bank by its accounts alone."""
    world = spec().when(UpdateParticipant(**fields())).then_refused(Reason.PARTICIPANT_NOT_FOUND)
    assert find_participant(world.books, "bank-a") is None


@pytest.mark.parametrize("command", [RegisterParticipant, UpdateParticipant])
@pytest.mark.parametrize(
    ("changed", "field", "rule"),
    [
        ({"settlement_account_id": ANA}, "settlement_account_id", "KIND"),
        ({"fee_account_id": SETTLEMENT}, "fee_account_id", "KIND"),
        ({"fee_account_id": OTHERS}, "fee_account_id", "PARTICIPANT"),
        ({"fee_account_id": DOLLARS}, "fee_account_id", "CURRENCY"),
    ],
)
def test_the_accounts_are_the_banks_own_of_the_right_kind_in_som(
    command: Any, changed: dict[str, int], field: str, rule: str
) -> None:
    """An account of another kind, bank or currency is named by its field."""
    world = spec()
    if command is UpdateParticipant:
        world.given((participant_key("bank-a"), REGISTERED))
    world.when(command(**fields(**changed)))
    assert isinstance(world.decided, Refusal)
    assert [(wrong.field, wrong.rule) for wrong in world.decided.violations] == [(field, rule)]


def test_the_accounts_exist_and_are_open() -> None:
    """An unknown account and a closed one have the reasons they have elsewhere."""
    spec().when(RegisterParticipant(**fields(fee_account_id=NOBODY))).then_refused(Reason.ACCOUNT_NOT_FOUND)
    world = spec().given((FEES, AccountClosed()))
    world.when(RegisterParticipant(**fields())).then_refused(Reason.ACCOUNT_CLOSED, account_id=str(FEES))
