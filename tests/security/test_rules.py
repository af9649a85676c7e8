"""What the rules mean where two banks meet, and at their edges: movements, acquirers, batches, applications."""

from collections.abc import Callable
from functools import partial
from typing import Any

import grpc
import pytest

from ledger.rpc.callers import Role
from protos.esep.v1 import account_pb2, customer_pb2, transfer_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import authorization_pb2 as held
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1 import customer_service_pb2 as customers
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1 import transfer_service_pb2 as transfers
from protos.esep.v1.card_service_pb2 import (
    GetCardRequest,
    IssueCardRequest,
    ListCardsRequest,
    ReplaceCardRequest,
    UnbindCardRequest,
)
from tests.people import card_number
from tests.rpc.world import Refusal, World, item, new_id, refused, transfer
from tests.security.scenes import OTHER_BANK, OWN_BANK, Caller, Scene, capture, make_scene

TRANSFERS = "/esep.v1.TransferService"
AUTHORIZATIONS = "/esep.v1.AuthorizationService"
STATEMENTS = "/esep.v1.StatementService"
CUSTOMERS = "/esep.v1.CustomerService"


@pytest.fixture
def bank(world: World) -> Caller:
    """Give the caller's bank."""
    return Caller(world, Role.BANK, OWN_BANK)


@pytest.fixture
def other_bank(world: World) -> Caller:
    """Give the other bank."""
    return Caller(world, Role.BANK, OTHER_BANK)


@pytest.fixture
def pos(world: World) -> Caller:
    """Give the caller's bank's points of sale."""
    return Caller(world, Role.POS, OWN_BANK)


def authorize(account: int, merchant: int, **fields: Any) -> authorizations.CreateAuthorizationRequest:
    return authorizations.CreateAuthorizationRequest(
        request_id=new_id(),
        account_id=account,
        credit_account_id=merchant,
        kind=held.AUTHORIZATION_KIND_PURCHASE,
        **{"amount_tyiyn": 100, **fields},
    )


def denied(caller: Caller, method: str, request: Any) -> Refusal:
    """Call a method that is denied; nothing is decided by it."""
    before = caller.world.engine.real.decided
    answer = refused(lambda: caller.call(method, request))
    assert answer.code is grpc.StatusCode.PERMISSION_DENIED
    assert caller.world.engine.real.decided == before
    return answer


# Transfers.


def test_a_bank_pays_anybody_out_of_its_own_accounts_only(bank: Caller, own: Scene, foreign: Scene) -> None:
    """The debited account decides; the credited one may be anybody's."""
    bank.call(f"{TRANSFERS}/CreateTransfer", transfer(own.account, foreign.account, 1))
    denied(bank, f"{TRANSFERS}/CreateTransfer", transfer(foreign.account, own.account, 1))


def test_a_further_leg_takes_nothing_from_another_bank(bank: Caller, own: Scene, foreign: Scene) -> None:
    """A transfer that is one's own in its main part is denied for a leg that debits another's account."""
    leg = transfer_pb2.TransferLeg(debit_account_id=foreign.account, credit_account_id=own.merchant, amount_tyiyn=1)
    denied(bank, f"{TRANSFERS}/CreateTransfer", transfer(own.account, own.merchant, 1, legs=[leg]))
    batch = transfers.CreateTransfersRequest(transfers=[item(own.account, own.merchant, 1, legs=[leg])])
    denied(bank, f"{TRANSFERS}/CreateTransfers", batch)


@pytest.mark.parametrize("atomic", [False, True])
def test_every_transfer_of_a_batch_is_looked_at(bank: Caller, own: Scene, foreign: Scene, *, atomic: bool) -> None:
    """One that debits another's account, or nobody's, refuses the batch, of which nothing is recorded."""
    allowed = [item(own.account, foreign.merchant, 1) for _ in range(300)]

    def batch(*items: transfer_pb2.NewTransfer) -> transfers.CreateTransfersRequest:
        return transfers.CreateTransfersRequest(
            request_id=new_id() if atomic else "", atomic=atomic, transfers=[*allowed, *items]
        )

    denied(bank, f"{TRANSFERS}/CreateTransfers", batch(item(foreign.account, own.account, 1)))
    denied(bank, f"{TRANSFERS}/CreateTransfers", batch(item(1 << 35, own.account, 1)))
    answer = bank.call(f"{TRANSFERS}/CreateTransfers", batch())
    assert len(answer.positions) == 300
    assert not answer.refusals


def test_a_transfer_is_given_back_by_who_has_the_money(
    bank: Caller, other_bank: Caller, own: Scene, foreign: Scene
) -> None:
    """The bank that sent it reads it, and cannot pull it back; the bank that got it can return it."""
    sent = bank.call(f"{TRANSFERS}/CreateTransfer", transfer(own.account, foreign.account, 5)).transfer.transfer_id
    back = transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=sent)
    denied(bank, f"{TRANSFERS}/ReverseTransfer", back)
    other_bank.call(f"{TRANSFERS}/ReverseTransfer", back)
    for party in (bank, other_bank):
        party.call(f"{TRANSFERS}/GetTransfer", transfers.GetTransferRequest(transfer_id=sent))
    stranger = Caller(bank.world, Role.BANK, "bank-c")
    denied(stranger, f"{TRANSFERS}/GetTransfer", transfers.GetTransferRequest(transfer_id=sent))


def test_permission_comes_before_a_repeated_request(bank: Caller, world: World, own: Scene) -> None:
    """Who may no longer do something is not told that it once could, though name and request are the same."""
    request = transfer(own.account, own.merchant, 1)
    bank.call(f"{TRANSFERS}/CreateTransfer", request)
    assert bank.call(f"{TRANSFERS}/CreateTransfer", request).receipt.replayed
    denied(Caller(world, Role.BANK, OTHER_BANK), f"{TRANSFERS}/CreateTransfer", request)


# Authorisations.


def test_an_acquirer_holds_and_captures_on_another_banks_account(
    bank: Caller, pos: Caller, own: Scene, foreign: Scene
) -> None:
    """Its merchant is credited: that makes it a party, which reads and resolves the authorisation, and no more."""
    made = []
    for caller in (bank, pos):
        request = authorize(foreign.account, own.merchant)
        answer = caller.call(f"{AUTHORIZATIONS}/CreateAuthorization", request)
        made.append(answer.authorization.authorization_id)
    for caller, authorization in zip((bank, pos), made, strict=True):
        caller.call(
            f"{AUTHORIZATIONS}/GetAuthorization",
            authorizations.GetAuthorizationRequest(authorization_id=authorization),
        )
        caller.call(f"{AUTHORIZATIONS}/CaptureAuthorization", capture(authorization))
        denied(caller, f"{STATEMENTS}/GetBalance", statements.GetBalanceRequest(account_id=foreign.account))
    denied(
        bank,
        f"{AUTHORIZATIONS}/AdviseAuthorization",
        authorizations.AdviseAuthorizationRequest(
            request_id=new_id(), account_id=foreign.account, credit_account_id=own.merchant, amount_tyiyn=1
        ),
    )
    denied(
        bank,
        f"{AUTHORIZATIONS}/ForcePost",
        authorizations.ForcePostRequest(
            request_id=new_id(), account_id=foreign.account, credit_account_id=own.merchant, amount_tyiyn=1
        ),
    )


def test_a_point_of_sale_credits_its_own_merchants(pos: Caller, own: Scene, foreign: Scene) -> None:
    """The card may be anybody's, its own bank's too, but the money goes to its own bank's merchants."""
    denied(pos, f"{AUTHORIZATIONS}/CreateAuthorization", authorize(own.account, foreign.merchant))


def test_a_card_is_presented_by_its_bank_or_at_the_acquirers_terminals(
    bank: Caller, pos: Caller, other_bank: Caller, own: Scene, foreign: Scene
) -> None:
    """As for its account: a third bank may not, nor does anybody learn so whether there is such a card."""

    def present(card: str, merchant: int) -> authorizations.CreateAuthorizationRequest:
        request = authorize(0, merchant)
        request.card_id = card
        return request

    method = f"{AUTHORIZATIONS}/CreateAuthorization"
    assert bank.call(method, present(own.spare_card, foreign.merchant)).authorization.card_id == own.spare_card
    assert pos.call(method, present(foreign.spare_card, own.merchant)).authorization.card_id == foreign.spare_card
    for card in (own.spare_card, new_id()):
        denied(pos, method, present(card, foreign.merchant))
        denied(other_bank, method, present(card, own.merchant))


def test_nobody_uses_up_another_acquirers_references(
    bank: Caller, other_bank: Caller, own: Scene, foreign: Scene
) -> None:
    """Neither by an authorisation, nor by a reversal that pretends to have come before its original."""
    reference = new_id()
    mine = held.AcquirerReference(acquirer_id=OWN_BANK, acquirer_reference=reference)
    request = authorize(own.account, foreign.merchant, acquirer_id=OWN_BANK, acquirer_reference=reference)
    denied(other_bank, f"{AUTHORIZATIONS}/CreateAuthorization", request)
    early = authorizations.ReverseAuthorizationRequest(
        request_id=new_id(), acquirer_reference=mine, reversed_by=held.REVERSAL_INITIATOR_ACQUIRER
    )
    denied(other_bank, f"{AUTHORIZATIONS}/ReverseAuthorization", early)
    assert bank.call(f"{AUTHORIZATIONS}/ReverseAuthorization", early).HasField("kept_reversal")
    # Now something stands under the reference: to the other bank it looks as before.
    denied(other_bank, f"{AUTHORIZATIONS}/ReverseAuthorization", early)


def test_a_reference_is_told_to_the_parties(bank: Caller, other_bank: Caller, own: Scene) -> None:
    """By the acquirer's reference one finds what one would find by the id."""
    question = authorizations.GetAuthorizationRequest(
        acquirer_reference=held.AcquirerReference(acquirer_id=OWN_BANK, acquirer_reference=own.reference)
    )
    assert bank.call(f"{AUTHORIZATIONS}/GetAuthorization", question).authorization.authorization_id
    denied(other_bank, f"{AUTHORIZATIONS}/GetAuthorization", question)


def test_a_refund_leaves_the_account_of_who_pays_it(
    bank: Caller, other_bank: Caller, own: Scene, foreign: Scene
) -> None:
    """The merchant's bank refunds; the customer's bank cannot take the money from the merchant."""
    made = bank.call(f"{AUTHORIZATIONS}/CreateAuthorization", authorize(foreign.account, own.merchant))
    bank.call(f"{AUTHORIZATIONS}/CaptureAuthorization", capture(made.authorization.authorization_id))
    linked = {"authorization_id": made.authorization.authorization_id}
    unlinked = {"merchant_credit": {"account_id": foreign.account, "merchant_account_id": own.merchant}}
    for origin in (linked, unlinked):
        request = authorizations.PostRefundRequest(
            request_id=new_id(), amount_tyiyn=1, clearing_reference=new_id(), **origin
        )
        denied(other_bank, f"{AUTHORIZATIONS}/PostRefund", request)
        bank.call(f"{AUTHORIZATIONS}/PostRefund", request)


# Accounts and statements.


def test_an_account_number_is_looked_for_among_ones_own(bank: Caller, other_bank: Caller) -> None:
    """A number belongs to a participant: under one's own it may be unknown, under another's it is denied."""
    opened = accounts.OpenAccountRequest(
        request_id=new_id(),
        participant_id=OTHER_BANK,
        account_number=new_id()[:8],
        kind=account_pb2.ACCOUNT_KIND_CUSTOMER,
    )
    other_bank.call("/esep.v1.AccountService/OpenAccount", opened)

    def question(participant: str, number: str) -> accounts.GetAccountRequest:
        return accounts.GetAccountRequest(
            account_number=accounts.AccountNumber(participant_id=participant, account_number=number)
        )

    known = denied(bank, "/esep.v1.AccountService/GetAccount", question(OTHER_BANK, opened.account_number))
    unknown = denied(bank, "/esep.v1.AccountService/GetAccount", question(OTHER_BANK, "none"))
    assert (known.text, known.details) == (unknown.text, unknown.details)
    own = refused(lambda: bank.call("/esep.v1.AccountService/GetAccount", question(OWN_BANK, "none")))
    assert own.reason == "ACCOUNT_NOT_FOUND"


def test_one_foreign_account_among_many_is_denied(bank: Caller, own: Scene, foreign: Scene) -> None:
    """A question about many accounts is answered when all of them are one's own."""
    for accounts_asked in ([own.account, foreign.account], [foreign.account, own.account], [own.account, 1 << 35], []):
        denied(bank, f"{STATEMENTS}/BatchGetBalances", statements.BatchGetBalancesRequest(account_ids=accounts_asked))


def test_a_bank_lists_its_own_authorisations_only(bank: Caller) -> None:
    """By participant as by account."""
    bank.call(f"{STATEMENTS}/ListAuthorizations", statements.ListAuthorizationsRequest(participant_id=OWN_BANK))
    denied(bank, f"{STATEMENTS}/ListAuthorizations", statements.ListAuthorizationsRequest(participant_id=OTHER_BANK))
    denied(bank, f"{STATEMENTS}/ListAuthorizations", statements.ListAuthorizationsRequest())


# Amounts in refusals.


def test_an_amount_in_a_refusal_is_for_who_may_read_it(world: World, own: Scene, foreign: Scene, pos: Caller) -> None:
    """What remains of a hold is told to the account's bank and to operators, and not to who captures."""
    merchants = Caller(world, Role.BANK, OWN_BANK)
    made = merchants.call(f"{AUTHORIZATIONS}/CreateAuthorization", authorize(foreign.account, own.merchant))
    too_much = authorizations.ReverseAuthorizationPartRequest(
        request_id=new_id(),
        authorization_id=made.authorization.authorization_id,
        amount_tyiyn=10_000,
        validate_only=True,
    )
    told = {}
    for name, caller in {
        "the account's bank": Caller(world, Role.BANK, OTHER_BANK),
        "operator": Caller(world, Role.OPERATOR),
        "acquirer": merchants,
        "point of sale": pos,
    }.items():
        answer = refused(partial(caller.call, f"{AUTHORIZATIONS}/ReverseAuthorizationPart", too_much))
        assert answer.reason == "OVER_REVERSAL"
        told[name] = answer.metadata.get("remaining_tyiyn")
    assert told == {"the account's bank": "100", "operator": "100", "acquirer": None, "point of sale": None}


# Applications.


def test_a_banks_own_application_serves_that_banks_customers(world: World, own: Scene, foreign: Scene) -> None:
    """The scheme's application serves everybody's."""
    banks, schemes = Caller(world, Role.APP, OWN_BANK), Caller(world, Role.APP)
    mine, other = (customers.GetCustomerRequest(customer_id=scene.customer) for scene in (own, foreign))
    banks.call(f"{CUSTOMERS}/GetCustomer", mine)
    denied(banks, f"{CUSTOMERS}/GetCustomer", other)
    for question in (mine, other):
        schemes.call(f"{CUSTOMERS}/GetCustomer", question)
    unknown = customers.GetCustomerRequest(login="nobody.at.all")
    assert refused(lambda: schemes.call(f"{CUSTOMERS}/GetCustomer", unknown)).reason == "CUSTOMER_NOT_FOUND"
    denied(banks, f"{CUSTOMERS}/GetCustomer", unknown)


def test_a_customer_is_found_by_login_by_its_own_bank(world: World, bank: Caller, other_bank: Caller) -> None:
    """However a customer is named, permission goes by whose it is."""
    registration = customers.RegisterCustomerRequest(
        request_id=new_id(),
        participant_id=OWN_BANK,
        login=f"login{new_id()[:8]}",
        password="Jashyl2026",
        phone_number="+996700123987",
    )
    bank.call(f"{CUSTOMERS}/RegisterCustomer", registration)
    questions: list[Callable[[], customers.GetCustomerRequest]] = [
        lambda: customers.GetCustomerRequest(login=registration.login.upper()),
        lambda: customers.GetCustomerRequest(phone_number=registration.phone_number),
    ]
    for question in questions:
        assert bank.call(f"{CUSTOMERS}/GetCustomer", question()).customer.login == registration.login
        denied(other_bank, f"{CUSTOMERS}/GetCustomer", question())


def test_an_application_speaks_for_the_customer_it_names(world: World, own: Scene, foreign: Scene) -> None:
    """A call about another one is denied, and so is a name that is no id."""
    acting = Caller(world, Role.APP, customer=own.customer)
    acting.call(f"{CUSTOMERS}/GetCustomer", customers.GetCustomerRequest(customer_id=own.customer))
    denied(acting, f"{CUSTOMERS}/GetCustomer", customers.GetCustomerRequest(customer_id=foreign.customer))
    confused = Caller(world, Role.APP, customer="nobody")
    denied(confused, f"{CUSTOMERS}/GetCustomer", customers.GetCustomerRequest(customer_id=own.customer))


def test_an_application_identifies_remotely_only(world: World, own: Scene) -> None:
    """Face to face is for banks."""
    in_person = customers.IdentifyCustomerRequest(
        request_id=new_id(),
        validate_only=True,
        customer_id=own.customer,
        tier=customer_pb2.CUSTOMER_TIER_IN_PERSON,
    )
    denied(Caller(world, Role.APP), f"{CUSTOMERS}/IdentifyCustomer", in_person)
    answer = refused(lambda: Caller(world, Role.BANK, OWN_BANK).call(f"{CUSTOMERS}/IdentifyCustomer", in_person))
    assert answer.reason == "CUSTOMER_NOT_CONFIRMED"


def test_an_application_reads_what_its_customer_has_a_card_of(world: World, own: Scene, foreign: Scene) -> None:
    """Only for a customer whom it names and serves, and only accounts of which a card is bound to that customer."""
    balance = f"{STATEMENTS}/GetBalance"
    question = statements.GetBalanceRequest(account_id=own.account)
    Caller(world, Role.APP, customer=own.customer).call(balance, question)
    Caller(world, Role.APP, OWN_BANK, customer=own.customer).call(balance, question)
    denied(Caller(world, Role.APP), balance, question)
    denied(Caller(world, Role.APP, customer=foreign.customer), balance, question)
    denied(Caller(world, Role.APP, OTHER_BANK, customer=own.customer), balance, question)
    acting = Caller(world, Role.APP, customer=own.customer)
    denied(acting, balance, statements.GetBalanceRequest(account_id=own.merchant))
    both = statements.BatchGetBalancesRequest(account_ids=[own.account, foreign.account])
    denied(acting, f"{STATEMENTS}/BatchGetBalances", both)
    whole_bank = statements.ListAuthorizationsRequest(participant_id=OWN_BANK)
    denied(acting, f"{STATEMENTS}/ListAuthorizations", whole_bank)


def test_what_was_bound_and_is_not_any_more_is_not_read(world: World) -> None:
    """Unbinding a card, or erasing the customer, ends the application's reading at once."""
    operator = Caller(world, Role.OPERATOR)
    unbound, erased = make_scene(world, "bank-f"), make_scene(world, "bank-f")
    operator.call("/esep.v1.CardService/UnbindCard", UnbindCardRequest(request_id=new_id(), card_id=unbound.card))
    erasing = customers.EraseCustomerRequest(request_id=new_id(), customer_id=erased.customer)
    world.catch_up()  # From here on the tables know the accounts.
    for scene in (unbound, erased):
        acting = Caller(world, Role.APP, customer=scene.customer)
        question = statements.GetBalanceRequest(account_id=scene.account)
        if scene is erased:
            acting.call(f"{STATEMENTS}/GetBalance", question)
            operator.call(f"{CUSTOMERS}/EraseCustomer", erasing)
        denied(acting, f"{STATEMENTS}/GetBalance", question)
        denied(acting, "/esep.v1.CardService/GetCard", GetCardRequest(card_id=scene.card))
    denied(
        Caller(world, Role.APP, customer=erased.customer),
        "/esep.v1.CardService/ListCards",
        ListCardsRequest(customer_id=erased.customer),
    )


def test_a_bank_issues_cards_of_its_own_accounts(bank: Caller, own: Scene, foreign: Scene) -> None:
    """Under its own name and of its own account, both: neither alone is enough."""
    for participant, account in ((OWN_BANK, foreign.account), (OTHER_BANK, own.account), (OWN_BANK, 1 << 35)):
        request = IssueCardRequest(
            request_id=new_id(), participant_id=participant, account_id=account, card_number=card_number()
        )
        denied(bank, "/esep.v1.CardService/IssueCard", request)


def test_a_card_is_found_by_its_number_by_its_own_bank(bank: Caller, other_bank: Caller, own: Scene) -> None:
    """A number of another bank's card, one that was never given out and one that is none look the same."""
    number = card_number()
    request = IssueCardRequest(
        request_id=new_id(), participant_id=OWN_BANK, account_id=own.account, card_number=number, expiry="12/28"
    )
    bank.call("/esep.v1.CardService/IssueCard", request)
    assert bank.call("/esep.v1.CardService/GetCard", GetCardRequest(card_number=number)).card.card_id
    for asked in (number, card_number(), "9417"):
        denied(other_bank, "/esep.v1.CardService/GetCard", GetCardRequest(card_number=asked))


def test_a_replacement_is_ones_own_too(bank: Caller, own: Scene, foreign: Scene) -> None:
    """No other bank's card is drawn into the place of a lost one."""
    request = ReplaceCardRequest(request_id=new_id(), card_id=own.card, replacement_card_id=foreign.spare_card)
    denied(bank, "/esep.v1.CardService/ReplaceCard", request)


def test_a_participant_without_accounts_owns_nothing(world: World, own: Scene) -> None:
    """An empty name is nobody's: it does not match what has no owner."""
    newcomer = make_scene(world, "bank-d")
    assert newcomer.participant == "bank-d"
    for participant in ("bank-e", "bank-d"):
        bank = Caller(world, Role.BANK, participant)
        denied(bank, f"{STATEMENTS}/GetBalance", statements.GetBalanceRequest(account_id=own.account))
        denied(bank, f"{STATEMENTS}/GetBalance", statements.GetBalanceRequest())
