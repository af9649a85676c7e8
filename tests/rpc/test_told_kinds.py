"""Every kind of notification is made by what it is about, over gRPC, and is told in each language."""

from typing import Any

from ledger.rpc.text.notices import TITLES
from ledger.rpc.translate.directory import LANGUAGES
from ledger.rpc.translate.notification import KIND_NUMBERS
from ledger.vault.codes import FileCodes
from protos.esep.v1 import authorization_service_pb2 as holds
from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import token_pb2
from protos.esep.v1.authorization_pb2 import AUTHORIZATION_KIND_PURCHASE, REVERSAL_INITIATOR_ACQUIRER
from protos.esep.v1.card_service_pb2 import CARD_LOSS_LOST
from protos.esep.v1.service_directory_pb2 import LANGUAGE_EN, LANGUAGE_KY, LANGUAGE_RU
from scripts.provider import Behaviour
from tests import people
from tests.holder import Holder
from tests.paying import Scheme, elqr
from tests.people import Person
from tests.rpc.payment_cases import REFUSED, provider_of, scheme_of
from tests.rpc.test_notifications import Subscription, listed
from tests.rpc.world import Bank, new_id, refused, transfer

KINDS = {number: kind for kind, number in KIND_NUMBERS.items()}
WALLET = token_pb2.TOKEN_ACTOR_WALLET


def transfers(bank: Bank, account: int) -> None:
    """Pay a salary, a pension and what is neither; send some of it, and take some away."""
    for kind in ("salary", "pension", "cash_deposit"):
        bank.call(bank.ledger.transfers.CreateTransfer, transfer(bank.cash, account, 50_000, kind=kind))
    for kind in ("transfer", "fee"):
        bank.call(bank.ledger.transfers.CreateTransfer, transfer(account, bank.cash, 1_000, kind=kind))


def purchase(bank: Bank, account: int) -> None:
    """Hold an amount, change it, and let it go."""
    service = bank.ledger.authorizations
    request = holds.CreateAuthorizationRequest(
        request_id=new_id(),
        account_id=account,
        credit_account_id=bank.merchant,
        amount_tyiyn=700,
        kind=AUTHORIZATION_KIND_PURCHASE,
        merchant_name="Dordoi",
    )
    held: dict[str, Any] = {
        "authorization_id": bank.call(service.CreateAuthorization, request).authorization.authorization_id
    }
    changed = holds.ReplaceAuthorizationAmountRequest(request_id=new_id(), total_tyiyn=800, **held)
    bank.call(service.ReplaceAuthorizationAmount, changed)
    undone = holds.ReverseAuthorizationRequest(request_id=new_id(), reversed_by=REVERSAL_INITIATOR_ACQUIRER, **held)
    bank.call(service.ReverseAuthorization, undone)


def phone(holder: Holder) -> None:
    """Pay by phone, once for more than there is; suspend the phone, resume and end it."""
    holder.ready()
    assert refused(lambda: holder.pay(10**9)).reason
    holder.suspend(WALLET)
    holder.resume(WALLET)
    holder.deactivate()


def card(bank: Bank, card_id: str) -> None:
    """Block a card, unblock it, take it out of the application; report it lost, and close it."""
    service = bank.ledger.cards
    bank.call(service.BlockCard, cards.BlockCardRequest(request_id=new_id(), card_id=card_id))
    bank.call(service.UnblockCard, cards.UnblockCardRequest(request_id=new_id(), card_id=card_id))
    bank.call(
        service.ReportCardLost, cards.ReportCardLostRequest(request_id=new_id(), loss=CARD_LOSS_LOST, card_id=card_id)
    )
    bank.call(service.UnbindCard, cards.UnbindCardRequest(request_id=new_id(), card_id=card_id))
    bank.call(service.CloseCard, cards.CloseCardRequest(request_id=new_id(), card_id=card_id))


def verification(bank: Bank, holder: Holder) -> None:
    """Hold the amount that shows who has a card, told by SMS, and have it guessed until nobody may guess any more."""
    holder.fund()
    holder.issue()
    sms = cards.SetCardNotificationsRequest(request_id=new_id(), card_id=holder.card_id, sms=True)
    bank.call(bank.ledger.cards.SetCardNotifications, sms)
    holder.register()
    holder.identify()
    people.ask_to_bind(bank.call, bank.ledger, holder)
    right = people.disclosed(bank.call, bank.ledger, holder)
    wrong = right - 1 if right > 1 else right + 1
    for _ in range(3):
        refusal = refused(lambda: people.name_amount(bank.call, bank.ledger, holder, wrong))
        assert refusal.reason == "BINDING_AMOUNT_WRONG"


def payments(bank: Bank, scheme: Scheme, payer: Person) -> None:
    """Pay a café, and for water: once nobody knows how it ended, and the answer is no."""
    scheme.confirm(scheme.prepare(scheme.qr(payer, elqr(), 100)))
    with provider_of(bank, Behaviour.PENDING):
        payment = scheme.prepare(scheme.service(payer))
        scheme.confirm(payment)
        scheme.answer(payment.payment_id, REFUSED)


def everything(bank: Bank) -> None:
    """Let everything happen that is told."""
    codes = bank.world.vault.codes
    assert isinstance(codes, FileCodes)
    phone(Holder(bank.ledger, codes._path))
    verification(bank, Holder(bank.ledger, codes._path))
    scheme = scheme_of(bank)
    payer = scheme.payer()
    transfers(bank, payer.account_id)
    purchase(bank, payer.account_id)
    payments(bank, scheme, payer)
    card(bank, payer.card_id)


def test_every_kind_is_told_over_grpc_in_each_language(bank: Bank) -> None:
    """When everything happens, every kind that there is is told, with its title in the reader's language."""
    everything(bank)
    subscription = Subscription(bank, language=LANGUAGE_KY)
    streamed = subscription.past()
    subscription.cancel()
    by_language = {LANGUAGE_KY: streamed}
    for language in (LANGUAGE_RU, LANGUAGE_EN):
        by_language[language] = listed(bank, language=language)
    kinds = {each.kind for each in streamed}
    assert {kind for number, kind in KINDS.items() if number not in kinds} == set()
    for language, told in by_language.items():
        assert [each.cursor for each in told] == [each.cursor for each in streamed]
        for each in told:
            assert each.text.startswith(TITLES[KINDS[each.kind]].of(LANGUAGES[language]))
