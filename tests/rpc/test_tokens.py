"""TokenService and TokenPaymentService at their edges: repeats, trials, what is given up, what is recorded later."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import delete

from domain.token import Cause, TokenDeactivated
from ledger.log.codec import decode
from ledger.vault.codes import FileCodes
from ledger.vault.connection import begin
from ledger.vault.errors import VaultUnavailable
from ledger.vault.schema import token_keys
from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import token_pb2
from protos.esep.v1 import token_service_pb2 as api
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest
from scripts.demo_client import new_id
from tests.holder import Holder
from tests.rpc.token_cases import DAY, newcomer
from tests.rpc.world import Bank, refused

Case = Callable[[Bank], tuple[Holder, Any, Any, str]]


def bound(bank: Bank) -> Holder:
    return newcomer(bank).bound()


def in_phone(bank: Bank) -> Holder:
    holder = bound(bank)
    holder.tokenise()
    holder.provision()
    return holder


def ask(bank: Bank) -> tuple[Holder, Any, Any, str]:
    holder = bound(bank)
    return holder, bank.ledger.tokens.RequestToken, holder.asking(), "token"


def decline(bank: Bank) -> tuple[Holder, Any, Any, str]:
    holder = bound(bank)
    holder.tokenise()
    request = api.DeclineTokenRequest(request_id=new_id(), token_id=holder.token_id, explanation="risk")
    return holder, bank.ledger.tokens.DeclineToken, request, "token"


def provision(bank: Bank) -> tuple[Holder, Any, Any, str]:
    holder = bound(bank)
    holder.tokenise()
    request = api.ProvisionTokenRequest(request_id=new_id(), token_id=holder.token_id)
    return holder, bank.ledger.tokens.ProvisionToken, request, "token"


def on_token(method: str, **fields: Any) -> Case:
    def case(bank: Bank) -> tuple[Holder, Any, Any, str]:
        holder = in_phone(bank)
        request = getattr(api, f"{method}Request")(request_id=new_id(), token_id=holder.token_id, **fields)
        return holder, getattr(bank.ledger.tokens, method), request, "token"

    case.__name__ = method
    return case


def resume(bank: Bank) -> tuple[Holder, Any, Any, str]:
    holder = in_phone(bank)
    holder.suspend(token_pb2.TOKEN_ACTOR_WALLET)
    request = api.ResumeTokenRequest(
        request_id=new_id(), token_id=holder.token_id, suspended_by=token_pb2.TOKEN_ACTOR_WALLET
    )
    return holder, bank.ledger.tokens.ResumeToken, request, "token"


def relink(bank: Bank) -> tuple[Holder, Any, Any, str]:
    holder = in_phone(bank)
    lost = holder.card_id
    holder.issue()
    holder.bind()
    report = cards.ReportCardLostRequest(request_id=new_id(), card_id=lost, loss=cards.CARD_LOSS_LOST)
    holder.call(bank.ledger.cards.ReportCardLost, report)
    request = api.RelinkTokenRequest(request_id=new_id(), token_id=holder.token_id, card_id=holder.card_id)
    return holder, bank.ledger.tokens.RelinkToken, request, "token"


def block_phone(bank: Bank) -> tuple[Holder, Any, Any, str]:
    holder = in_phone(bank)
    request = api.BlockDeviceRequest(
        request_id=new_id(), customer_id=holder.customer_id, device_id=holder.phone.device_id
    )
    return holder, bank.ledger.tokens.BlockDevice, request, "device"


def pay(bank: Bank) -> tuple[Holder, Any, Any, str]:
    holder = newcomer(bank).ready()
    request = holder.phone.pay(new_id(), 100, holder.merchant)
    return holder, bank.ledger.token_payments.AuthorizeTokenPayment, request, "authorization"


CASES: list[Case] = [
    ask,
    decline,
    provision,
    on_token("ActivateToken"),
    on_token("ReplenishKeys"),
    on_token("SuspendToken", suspended_by=token_pb2.TOKEN_ACTOR_ISSUER),
    resume,
    on_token("DeactivateToken", cause=token_pb2.TOKEN_DEACTIVATION_CAUSE_FRAUD),
    relink,
    block_phone,
    pay,
]
TRIED = [case for case in CASES if case.__name__ not in ("provision", "ReplenishKeys")]
"""The methods that give out keys have no trial."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_first_outcome_is_told_again(bank: Bank, case: Case) -> None:
    """A repeat answers the first answer but for ``replayed``, GetOutcome the same resource; neither records."""
    _, method, request, field = case(bank)
    first = bank.call(method, request)
    head = bank.world.log.head(0)
    again = bank.call(method, request)
    assert again.receipt.replayed
    again.receipt.replayed = False
    assert again == first
    told = bank.call(bank.ledger.transfers.GetOutcome, GetOutcomeRequest(request_id=request.request_id))
    assert told.WhichOneof("outcome") == field
    assert getattr(told, field) == getattr(first, field)
    assert bank.world.log.head(0) == head


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_another_caller_is_told_nothing(bank: Bank, case: Case) -> None:
    """A request id of somebody else is taken: neither the outcome nor a key is given to a stranger."""
    _, method, request, _ = case(bank)
    bank.call(method, request)
    bank.ledger.metadata = (("esep-caller", "bank-b"),)
    assert bank.refused(method, request).reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize("case", TRIED, ids=lambda case: case.__name__)
def test_a_trial_decides_and_records_nothing(bank: Bank, case: Case) -> None:
    """validate_only answers without a receipt, and the same id is still free: a tap is not used up by it."""
    _, method, request, _ = case(bank)
    head = bank.world.log.head(0)
    request.validate_only = True
    assert not bank.call(method, request).HasField("receipt")
    assert bank.world.log.head(0) == head
    request.validate_only = False
    assert not bank.call(method, request).receipt.replayed


def test_a_refused_request_gives_up_its_number_and_its_key(bank: Bank) -> None:
    """Neither numbers nor numbers of keys pile up in the vault for what came to nothing."""
    vault = bank.world.vault.vault.tokens
    holder = in_phone(bank)
    holder.suspend(token_pb2.TOKEN_ACTOR_ISSUER)
    for _ in range(3):
        assert refused(holder.replenish).reason == "TOKEN_SUSPENDED"
    holder.resume(token_pb2.TOKEN_ACTOR_ISSUER)
    assert holder.replenish().key.sequence == 2
    holder.customer_id = new_id()
    assert refused(holder.tokenise).reason == "CARD_NOT_BOUND"
    assert vault.unsettled(bank.world.clock.now() + DAY) == []


def test_the_end_by_inactivity_is_recorded_once_and_at_its_instant(bank: Bank) -> None:
    """The ledger records by itself what it told before; a token that was switched on is looked at and left alone."""
    idle, active = in_phone(bank), in_phone(bank)
    active.activate()
    until = idle.token().activate_by_time
    record = bank.world.edge.parts.tokens.record_inactive
    assert bank.world.run(record) == 0
    bank.world.clock.ahead += 30 * DAY
    before = idle.token()
    assert bank.world.run(record) == 1
    after = idle.token()
    assert (before.state, after.state) == (token_pb2.TOKEN_STATE_DEACTIVATED,) * 2
    assert (after.version, after.deactivate_time) == (before.version + 1, until)
    row = bank.world.log.read(0, bank.world.log.head(0) - 1, 1)[0]
    ended = decode(row.topic, row.state)
    assert isinstance(ended, TokenDeactivated)
    assert (ended.cause, ended.at) == (Cause.INACTIVITY, until.ToMicroseconds())
    assert bank.world.run(record) == 0
    assert active.token().state == token_pb2.TOKEN_STATE_ACTIVE


def test_a_vault_that_does_not_answer_is_unavailable(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal is told to ask again, nothing is recorded, and the same tap is good once it answers."""
    holder = newcomer(bank).ready()
    request = holder.phone.pay(new_id(), 100, holder.merchant)

    def silent(*_: object) -> None:
        raise VaultUnavailable("no answer")

    with monkeypatch.context() as broken:
        broken.setattr(bank.world.vault.vault.tokens, "find", silent)
        refusal = bank.refused(bank.ledger.token_payments.AuthorizeTokenPayment, request)
    assert (refusal.reason, refusal.metadata["recorded"]) == ("LEDGER_UNAVAILABLE", "false")
    assert bank.call(bank.ledger.token_payments.AuthorizeTokenPayment, request).receipt.position > 0


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        (lambda r: r.ClearField("tap"), {"tap"}),
        (lambda r: setattr(r.tap, "cryptogram", b"1234567"), {"tap.cryptogram"}),
        (lambda r: setattr(r.tap, "unpredictable_number", b"12345"), {"tap.unpredictable_number"}),
        (lambda r: setattr(r.tap, "transaction_date", "2026-11"), {"tap.transaction_date"}),
        (lambda r: setattr(r.tap, "transaction_date", "٢٦١١٢٢"), {"tap.transaction_date"}),
        (lambda r: setattr(r.tap, "transaction_date", "260229"), {"tap.transaction_date"}),
        (lambda r: setattr(r.tap, "country_number", 1_000), {"tap.country_number"}),
        (lambda r: setattr(r.tap, "transaction_counter", 65_536), {"tap.transaction_counter"}),
        (lambda r: setattr(r.tap, "transaction_counter", -1), {"tap.transaction_counter"}),
        (lambda r: setattr(r.tap, "key_sequence", 0), {"tap.key_sequence"}),
        (lambda r: setattr(r, "amount_tyiyn", 0), {"amount_tyiyn"}),
        (lambda r: setattr(r, "amount_tyiyn", 10**12), {"amount_tyiyn"}),
        (lambda r: setattr(r, "currency_code", ""), {"currency_code"}),
        (lambda r: setattr(r, "currency_code", "XXX"), {"currency_code"}),
        (lambda r: setattr(r, "entry_mode", 99), {"entry_mode"}),
        (lambda r: setattr(r, "expiry", "1/27"), {"expiry"}),
        (lambda r: setattr(r, "acquirer_reference", "r"), {"acquirer_id"}),
        (
            lambda r: setattr(r.fiscal_receipt, "till_id", "till 1"),
            {"fiscal_receipt.till_id", "fiscal_receipt.receipt_number"},
        ),
    ],
)
def test_a_malformed_tap_names_its_fields(bank: Bank, change: Callable[[Any], object], fields: set[str]) -> None:
    """Every field that breaks a rule is named by its path, and nothing is decided."""
    codes = bank.world.vault.codes
    assert isinstance(codes, FileCodes)
    holder = Holder(bank.ledger, codes._path)
    holder.phone.provision("9417990000000000", "12/29", token_pb2.TokenKey(sequence=1, key=bytes(range(16))))
    request = holder.phone.pay(new_id(), 100, holder.merchant)
    change(request)
    refusal = bank.refused(bank.ledger.token_payments.AuthorizeTokenPayment, request)
    assert (refusal.reason, set(refusal.fields)) == ("INVALID_ARGUMENT", fields)


def test_a_vault_older_than_the_log_catches_up(bank: Bank) -> None:
    """After a restore of the vault alone, numbers of keys that were given out are not given out again."""
    holder = in_phone(bank)
    for _ in range(2):
        holder.replenish()
    with begin(bank.world.vault.vault._engine) as connection:
        connection.execute(delete(token_keys).where(token_keys.c.sequence > 1))
    assert [refused(holder.replenish).reason for _ in range(2)] == ["KEY_SUPERSEDED"] * 2
    assert holder.replenish().key.sequence == 4
    holder.activate()
    assert holder.pay(1).authorization.token_id == holder.token_id


def test_everything_missing_is_looked_up_at_once(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocking a card with many tokens after a restart reads each of them once, not once for every other one."""
    holder = bound(bank)
    for _ in range(12):
        holder.tokenise()
    engine = bank.world.engine.real
    engine._decider.books._cache.clear()  # As a fresh start would leave it.
    read: list[bytes] = []
    log = bank.world.log
    real = log.aggregate

    def watched(partition: int, originator_id: bytes, **options: Any) -> Any:
        read.append(originator_id)
        return real(partition, originator_id, **options)

    monkeypatch.setattr(log, "aggregate", watched)
    holder.call(bank.ledger.cards.BlockCard, cards.BlockCardRequest(request_id=new_id(), card_id=holder.card_id))
    assert len(read) < 12 * 4
    assert list(holder.token().suspended_by) == [token_pb2.TOKEN_ACTOR_ISSUER]


def test_tokens_are_listed_by_card_and_by_customer(bank: Bank) -> None:
    """A customer's are those of all bound cards, one after another; neither is asked for without a name."""
    holder = in_phone(bank)
    first, first_card = holder.token_id, holder.card_id
    holder.issue()
    holder.bind()
    second = holder.tokenise().token_id

    def listed(**owner: Any) -> list[str]:
        answer = bank.call(bank.ledger.tokens.ListTokens, api.ListTokensRequest(**owner))
        return [token.token_id for token in answer.tokens]

    assert listed(card_id=first_card) == [first]
    assert listed(card_id=holder.card_id) == [second]
    assert listed(customer_id=holder.customer_id) == [first, second]
    nobody = bank.refused(bank.ledger.tokens.ListTokens, api.ListTokensRequest(customer_id=new_id()))
    assert nobody.reason == "CUSTOMER_NOT_FOUND"
    assert bank.refused(bank.ledger.tokens.ListTokens, api.ListTokensRequest()).fields == {"owner": "MISSING"}


def test_the_account_that_pays_is_not_paid(bank: Bank) -> None:
    """A payment to the card's own account is no payment."""
    holder = newcomer(bank).ready()
    refusal = refused(lambda: holder.pay(100, credit_account_id=holder.account_id))
    assert refusal.fields == {"credit_account_id": "SAME_ACCOUNT"}
