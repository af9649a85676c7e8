"""What records of refusals keep of commands: everything that a decision reads, under names that stay, and no secret."""

import json
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest

from domain.bind import RequestCardBinding
from domain.command import Command
from domain.confirm import ConfirmCardBinding
from domain.credentials import Verdict
from domain.customer import SetPin
from domain.quoting import CreateQuote
from domain.recipient import ToPhone
from ledger.audit.replay.rebuild_declined import commands
from tests.domain.spec import uid

NAMES: Final = Path(__file__).parent / "recorded_inputs.json"
NO_SECRETS: Final = {
    ("answer of a port", "confirm_registration", "verdict"),
    ("answer of a port", "confirm_registration", "tries_left"),
    ("answer of a port", "set_pin", "verdict"),
    ("answer of a port", "set_pin", "tries_left"),
    ("answer of a port", "link_phone", "verdict"),
    ("answer of a port", "link_phone", "tries_left"),
    ("answer of a port", "link_phone", "own"),
    ("answer of a port", "authorize_token_payment", "verdict"),
    ("answer of a port", "issue_card", "taken"),
    ("answer of a port", "issue_card", "number_fault"),
    ("answer of a port", "register_customer", "taken"),
    ("answer of a port", "register_customer", "confirm_by"),
    ("answer of a port", "request_card_binding", "number_fault"),
    ("answer of a port", "request_card_binding", "cvv_malformed"),
    ("answer of a port", "request_card_binding", "details"),
    ("made by the vault", "issue_card", "par"),
    ("made by the vault", "request_token", "masked_number"),
    ("made by the vault", "provision_token", "sequence"),
    ("made by the vault", "provision_token", "master_key_id"),
    ("made by the vault", "replenish_keys", "sequence"),
    ("made by the vault", "replenish_keys", "master_key_id"),
}
"""Fields that stay out of fingerprints, because a repeated request has others, and may be recorded all the same."""
COMMANDS: Final = {name: kind for name, kind in commands().items() if kind.__module__.startswith("domain.")}


def kept(kind: type[Command]) -> list[str]:
    """Return the names under which a command's inputs are recorded."""
    return sorted(set(kind.model_fields) - set(kind.UNKEPT) - {"expected_version"})


def test_whatever_stays_out_of_a_fingerprint_is_recorded_for_a_reason() -> None:
    """A secret that is added to a command is kept out of records, or somebody has said here why it is none."""
    secret = {(name, field) for name, kind in COMMANDS.items() for field in kind.SECRETS - set(kind.UNKEPT)}
    assert secret == {(name, field) for _, name, field in NO_SECRETS}


def test_what_is_left_out_is_stood_in_for_by_what_its_field_takes() -> None:
    """Every stand-in is of a field of the command."""
    for kind in COMMANDS.values():
        assert set(kind.UNKEPT) <= set(kind.model_fields)


def test_inputs_are_recorded_under_names_that_stay() -> None:
    """A name that was ever recorded is read for ever: whoever renames a field breaks old records."""
    names = {name: kept(kind) for name, kind in sorted(COMMANDS.items())}
    before = json.loads(NAMES.read_text())
    for name, fields in before.items():
        assert set(fields) <= set(names[name]), name
    assert names == before, f"python -m {__name__} records the names that came since"


@pytest.mark.parametrize(
    ("command", "inputs"),
    [
        (
            ConfirmCardBinding(binding_id=uid(1), customer_id=uid(2), amount_tyiyn=421),
            {"binding_id": str(uid(1)), "customer_id": str(uid(2))},
        ),
        (
            SetPin(customer_id=uid(1), verdict=Verdict.WRONG, tries_left=2),
            {"customer_id": str(uid(1)), "verdict": "wrong", "tries_left": 2},
        ),
        (
            CreateQuote(customer_id=uid(1), card_id=uid(2), recipient=ToPhone(alias_id=None)),
            {"customer_id": str(uid(1)), "card_id": str(uid(2)), "recipient": {"way": "phone", "alias_id": None}},
        ),
        (
            RequestCardBinding(
                customer_id=uid(1),
                card_id=None,
                masked_number="941700******1234",
                expires=202812,
                name=b"sealed",
                name_mark="aa",
                hold_id=UUID(int=9),
                candidates=tuple(range(100, 106)),
            ),
            {
                "customer_id": str(uid(1)),
                "card_id": None,
                "masked_number": "941700******1234",
                "expires": 202812,
                "name_mark": "aa",
            },
        ),
    ],
    ids=lambda value: getattr(value, "NAME", ""),
)
def test_inputs_are_json_without_secrets_and_defaults(command: Command, inputs: dict[str, Any]) -> None:
    """In the words of JSON, and the same command comes of them again, but for what is stood in for."""
    assert command.inputs() == inputs
    again = type(command)(**{**type(command).UNKEPT, **json.loads(json.dumps(command.inputs()))})
    assert again.fingerprint() == command.fingerprint()


if __name__ == "__main__":
    NAMES.write_text(json.dumps({name: kept(kind) for name, kind in sorted(COMMANDS.items())}, indent=1) + "\n")
