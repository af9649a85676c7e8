"""What a field of a command takes, at its very edges."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from domain.account import CloseAccount, OpenAccount, SetMinimumBalance, SetOverdraftLimit
from domain.authorize import Advise, Authorize
from domain.clearing import AuthorizeRefund, ForcePost, PostRefund, RecordSettlementNotice
from domain.command import Command
from domain.money import MAX_AMOUNT
from domain.resolve import Capture, Increment, Replace, Reverse, ReversePart
from domain.transfer import LegModel, TransferModel
from domain.transfer_reversal import ReverseTransfer
from tests.domain.spec import uid

ID = UUID(int=7)
HOLD = {"account_id": 1, "credit_account_id": 2, "amount_tyiyn": 1}
MOVE = {"debit_account_id": 1, "credit_account_id": 2, "amount_tyiyn": 1}
WHOLE: list[tuple[Any, dict[str, Any]]] = [
    (OpenAccount, {"participant_id": "bank-a", "kind": "customer"}),
    (CloseAccount, {"account_id": 1}),
    (SetOverdraftLimit, {"account_id": 1, "overdraft_limit_tyiyn": 0}),
    (SetMinimumBalance, {"account_id": 1, "minimum_balance_tyiyn": 0}),
    (TransferModel, MOVE),
    (LegModel, MOVE),
    (ReverseTransfer, {"transfer_id": ID}),
    (Authorize, HOLD),
    (Advise, HOLD),
    (Increment, {"authorization_id": ID, "amount_tyiyn": 1}),
    (Replace, {"authorization_id": ID, "total_tyiyn": 1}),
    (ReversePart, {"authorization_id": ID, "amount_tyiyn": 1}),
    (Reverse, {"authorization_id": ID}),
    (Capture, {"authorization_id": ID, "amount_tyiyn": 1, "clearing_reference": "c"}),
    (ForcePost, HOLD | {"clearing_reference": "c"}),
    (AuthorizeRefund, {"account_id": 1, "amount_tyiyn": 1}),
    (PostRefund, {"amount_tyiyn": 1, "clearing_reference": "c"}),
    (RecordSettlementNotice, {"amount_tyiyn": 1, "clearing_reference": "c"}),
]
AMOUNTS = ("amount_tyiyn", "total_tyiyn", "requested_amount_tyiyn")
LIMITS = ("overdraft_limit_tyiyn", "minimum_balance_tyiyn")
ACCOUNTS = ("account_id", "credit_account_id", "debit_account_id", "merchant_account_id")
SHORT = {"reference": 64, "clearing_reference": 64, "acquirer_reference": 64, "explanation": 140, "merchant_name": 40}
PATTERNS = {
    "currency_code": (["", "KGS"], ["kgs", "KG", "KGSS", "KGS\n", "KG5", "КГС"]),
    "participant_id": (["a", "bank-7", "x" * 32], ["", "Bank", "x" * 33, "bank\n", "bank_a", "банк", "٣"]),
    "account_number": (["", "A1z", "9" * 34], ["9" * 35, "12 34", "1\n", "٣", "½"]),
    "kind": (["p", "fuel_2", "k" * 32], ["", "Fuel", "2fuel", "k" * 33, "fuel\n", "төлөм"]),
    "merchant_category_code": (["", "5541"], ["554", "55411", "5541\n", "٥٥٤١", "abcd"]),
    "entry_mode": (["", "chip", "a_b"], ["Chip", "chip\n", "c" * 33, "c1"]),
    "acquirer_id": (["", "A-1", "a" * 32], ["a" * 33, "a/b", "a\n", "а", "٣"]),
    "by": (["issuer"], ["", "Issuer", "issuer\n"]),
}


def cases(names: Any) -> list[Any]:
    return [
        pytest.param(model, content, name, id=f"{model.__name__}.{name}")
        for model, content in WHOLE
        for name in names
        if name in model.model_fields and not (name == "kind" and model is OpenAccount)
    ]


def refuse(model: Any, content: dict[str, Any], name: str) -> None:
    with pytest.raises(ValidationError) as wrong:
        model(**content)
    assert name in {part for error in wrong.value.errors() for part in error["loc"]}


@pytest.mark.parametrize(("model", "content", "name"), cases(AMOUNTS))
def test_an_amount_is_a_whole_number_from_one_to_the_limit(model: Any, content: dict[str, Any], name: str) -> None:
    """From 1 to 10^15 tyiyn; no zero, no sign, no float, no text, no truth value."""
    amount: Any
    for amount in (1, MAX_AMOUNT):
        assert getattr(model(**content | {name: amount}), name) == amount
    wrong: tuple[Any, ...] = (0, -1, MAX_AMOUNT + 1, 2**63, 5.0, 1.5, "5", True, float("nan"))
    for amount in wrong:
        refuse(model, content | {name: amount}, name)


@pytest.mark.parametrize(("model", "content", "name"), cases(LIMITS))
def test_a_limit_may_be_zero(model: Any, content: dict[str, Any], name: str) -> None:
    """From 0 to 10^15 tyiyn."""
    amount: Any
    for amount in (0, MAX_AMOUNT):
        assert getattr(model(**content | {name: amount}), name) == amount
    for amount in (-1, MAX_AMOUNT + 1, 0.0, "0"):
        refuse(model, content | {name: amount}, name)


@pytest.mark.parametrize(("model", "content", "name"), cases(ACCOUNTS))
def test_an_account_id_fits_every_reader(model: Any, content: dict[str, Any], name: str) -> None:
    """From 1 to 2^53 - 1, which JSON readers keep exactly."""
    model(**content | {name: 2**53 - 1})
    for value in (0, -1, 2**53, 1.0, "1"):
        refuse(model, content | {name: value}, name)


@pytest.mark.parametrize(("model", "content", "name"), cases(SHORT))
def test_a_text_is_short_and_printable(model: Any, content: dict[str, Any], name: str) -> None:
    """Letters of any script up to the limit; no control character, line break, separator or lone surrogate."""
    model(**content | {name: "Ң" * SHORT[name]})
    for text in ("x" * (SHORT[name] + 1), "a\n", "a\tb", "\x00", "\x1b[2J", "a\u2028b", "\x7f", "\ud800", "\u202e"):
        refuse(model, content | {name: text}, name)


@pytest.mark.parametrize(("model", "content", "name"), cases(PATTERNS))
def test_a_code_matches_as_a_whole(model: Any, content: dict[str, Any], name: str) -> None:
    """Neither a trailing line break nor another script's digits pass."""
    good, bad = PATTERNS[name]
    for text in good:
        assert getattr(model(**content | {name: text}), name) == text
    for text in bad:
        refuse(model, content | {name: text}, name)


@pytest.mark.parametrize(("model", "content", "name"), cases(["effective_time", "expected_version"]))
def test_a_time_and_a_version_are_whole_numbers(model: Any, content: dict[str, Any], name: str) -> None:
    """Neither may be negative or a float."""
    assert getattr(model(**content | {name: 1}), name) == 1
    for value in (-1, 1.5, "x"):
        refuse(model, content | {name: value}, name)


@pytest.mark.parametrize(("model", "content", "name"), cases(["tags"]))
def test_tags_are_few_and_short(model: Any, content: dict[str, Any], name: str) -> None:
    """Eight tags of 32 and 64 printable characters, in whatever order they came."""
    full = {f"{number}".rjust(32, "k"): "v" * 64 for number in range(8)}
    assert model(**content | {"tags": full}).tags == full
    for tags in (full | {"ninth": ""}, {"": "v"}, {"k" * 33: "v"}, {"k": "v" * 65}, {"k": "\n"}, {"\t": "v"}, {"k": 5}):
        refuse(model, content | {"tags": tags}, "tags")


@pytest.mark.parametrize(("model", "content", "name"), cases(["parts", "legs"]))
def test_parts_and_legs_are_at_most_eight(model: Any, content: dict[str, Any], name: str) -> None:
    """A ninth is refused."""
    one = {"kind": "fee", "amount_tyiyn": 1}
    if name == "legs":
        one |= {"debit_account_id": 1, "credit_account_id": 3}
    elif model in (Capture, ForcePost):
        one |= {"credit_account_id": 3}
    model(**content | {name: [one] * 8})
    refuse(model, content | {name: [one] * 9}, name)


@pytest.mark.parametrize(("model", "content"), WHOLE, ids=lambda value: getattr(value, "__name__", ""))
def test_an_unknown_field_is_refused(model: Any, content: dict[str, Any]) -> None:
    """What a command does not know it does not swallow."""
    refuse(model, content | {"ammount": 1}, "ammount")


@pytest.mark.parametrize("kind", ["", "Customer", "customer\n", "bank", 0, None])
def test_a_kind_of_account_is_one_of_the_list(kind: Any) -> None:
    """An account's kind is spelled exactly."""
    refuse(OpenAccount, {"participant_id": "a", "kind": kind}, "kind")


@pytest.mark.parametrize("model", [Authorize, Advise])
def test_nobody_pays_himself(model: type[Command]) -> None:
    """The two accounts of a movement differ."""
    with pytest.raises(ValidationError, match="the same account"):
        model.model_validate(HOLD | {"credit_account_id": 1})
    with pytest.raises(ValidationError, match="the same account"):
        TransferModel.model_validate(MOVE | {"credit_account_id": 1})
    with pytest.raises(ValidationError, match="the same account"):
        LegModel.model_validate(MOVE | {"credit_account_id": 1})


def test_the_order_of_tags_is_no_content() -> None:
    """A map that arrives in another order has the same fingerprint."""
    one = Authorize(**HOLD, tags={"a": "1", "b": "2"})
    other = Authorize(**HOLD, tags={"b": "2", "a": "1"})
    assert one.fingerprint() == other.fingerprint()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Increment(authorization_id=ID, amount_tyiyn=1), ReversePart(authorization_id=ID, amount_tyiyn=1)),
        (Increment(authorization_id=ID, amount_tyiyn=1), Increment(authorization_id=uid(1), amount_tyiyn=1)),
        (Authorize(**HOLD), Authorize(**HOLD, accept_partial=True)),
        (Authorize(**HOLD, tags={"a": "1"}), Authorize(**HOLD, tags={"a": "2"})),
        (ReverseTransfer(transfer_id=ID), ReverseTransfer(transfer_id=ID, amount_tyiyn=1)),
    ],
)
def test_other_content_has_another_fingerprint(one: Command, other: Command) -> None:
    """Another command, target or field is another content."""
    assert one.fingerprint() != other.fingerprint()


def test_the_expected_version_is_no_content() -> None:
    """A request repeated with a newer expected version is the same request."""
    one = Increment(authorization_id=ID, amount_tyiyn=1, expected_version=1)
    assert one.fingerprint() == Increment(authorization_id=ID, amount_tyiyn=1).fingerprint()
