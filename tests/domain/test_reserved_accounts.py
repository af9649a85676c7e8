"""The ledger's own clearing accounts: transfers cross over them to other partitions, and nothing else touches them."""

from collections.abc import Callable
from uuid import UUID

import msgspec
import pytest

from domain.account import (
    LEDGER,
    AccountKind,
    AccountOpened,
    CloseAccount,
    FreezeAccount,
    SetMinimumBalance,
    SetOverdraftLimit,
    UnfreezeAccount,
)
from domain.adjustment import ProposeAdjustment
from domain.authorize import Advise, Authorize
from domain.clearing import AuthorizeRefund
from domain.command import Command
from domain.credit import Category, OpenCreditFile
from domain.crossing import TransferRejected
from domain.event import Leg
from domain.ids import account_id, account_originator
from domain.legs import RefusedLeg
from domain.refusals import Reason
from domain.transfer import CreateTransfer
from domain.transit import OpenClearing
from tests.bulks import post_bulk
from tests.domain.spec import ANA, BEK, CASH, SHOP, Spec, uid
from tests.domain.test_authorizations import HELD
from tests.domain.test_bulks import refused
from tests.domain.test_clearing import capture, force, refund
from tests.domain.test_crossings import CLEARING, THERE, TWO, home, receive

Asked = Command | CreateTransfer


def adjustment(debit: int, credit: int) -> ProposeAdjustment:
    between = {"debit_account_id": debit, "credit_account_id": credit, "amount_tyiyn": 1}
    return ProposeAdjustment(operator="maker", explanation="x", **between)


def authorization(account: int, credit: int) -> Authorize:
    return Authorize(account_id=account, credit_account_id=credit, amount_tyiyn=1)


def salaries() -> OpenCreditFile:
    content = {"participant_id": LEDGER, "account_id": CLEARING, "line_count": 1, "sum_tyiyn": 1, "payer_name": "x"}
    return OpenCreditFile(category=Category.SALARY, **content)


WAYS: dict[str, Callable[[Spec], Asked]] = {
    "paid": lambda spec: spec.transfer(CASH, CLEARING, 1),
    "pays": lambda spec: spec.transfer(CLEARING, SHOP, 1),
    "sends": lambda spec: spec.transfer(CLEARING, THERE, 1),
    "paid by a leg": lambda spec: spec.transfer(CASH, SHOP, 1, legs=(Leg("fee", SHOP, CLEARING, 1),)),
    "pays a leg": lambda spec: spec.transfer(CASH, SHOP, 1, legs=(Leg("fee", CLEARING, SHOP, 1),)),
    "adjusted up": lambda _: adjustment(CASH, CLEARING),
    "adjusted down": lambda _: adjustment(CLEARING, CASH),
    "held": lambda _: authorization(CLEARING, SHOP),
    "held for": lambda _: authorization(ANA, CLEARING),
    "held as advised": lambda _: Advise(account_id=CLEARING, credit_account_id=SHOP, amount_tyiyn=1),
    "held for as advised": lambda _: Advise(account_id=ANA, credit_account_id=CLEARING, amount_tyiyn=1),
    "captured for": lambda _: capture(
        1, parts=({"kind": "capture", "amount_tyiyn": 1, "credit_account_id": CLEARING},)
    ),
    "posted by force": lambda _: force(CLEARING),
    "posted for by force": lambda _: force(ANA, CLEARING),
    "refunded": lambda _: refund(1, account_id=CLEARING, merchant_account_id=SHOP),
    "refunds": lambda _: refund(1, account_id=ANA, merchant_account_id=CLEARING),
    "announced a refund": lambda _: AuthorizeRefund(account_id=CLEARING, amount_tyiyn=1),
    "pays salaries": lambda _: salaries(),
    "frozen": lambda _: FreezeAccount(account_id=CLEARING, debits=True),
    "unfrozen": lambda _: UnfreezeAccount(account_id=CLEARING, credits=True),
    "given an overdraft": lambda _: SetOverdraftLimit(account_id=CLEARING, overdraft_limit_tyiyn=1),
    "given a minimum": lambda _: SetMinimumBalance(account_id=CLEARING, minimum_balance_tyiyn=1),
    "closed": lambda _: CloseAccount(account_id=CLEARING),
}


def world() -> Spec:
    """Return the books of partition 0 of two: Ana has money and a hold, and nothing is in transit."""
    return home().when(authorization(ANA, SHOP), HELD)


@pytest.mark.parametrize("way", WAYS)
def test_nobody_has_anything_done_with_a_clearing_account(way: str) -> None:
    """Money that nobody sent to another partition would look as if it were in transit."""
    spec = world()
    spec.when(WAYS[way](spec)).then_refused(Reason.ACCOUNT_RESERVED, account_id=CLEARING)
    spec.then_figures(CLEARING, posted=0)


@pytest.mark.parametrize("way", WAYS)
def test_what_stands_in_the_way_is_that_it_is_reserved(way: str) -> None:
    """The same is done where the account is another participant's, or the ledger's from before there was the rule."""
    spec = Spec(TWO)
    opened = AccountOpened(participant=LEDGER, kind=AccountKind.CLEARING, currency="KGS")
    spec.given((account_originator(CLEARING), opened)).given_done(OpenClearing(currency="KGS"))
    spec.funds(ANA, 100).when(authorization(ANA, SHOP), HELD)
    spec.given_done(WAYS[way](spec))


def test_legs_of_a_bulk_are_refused_one_by_one() -> None:
    """A leg to a clearing account, and one from it, move nothing; the others are posted."""
    spec = home()
    spec.when(post_bulk((ANA, CLEARING, 1), (ANA, BEK, 2), (CLEARING, BEK, 3)))
    assert refused(spec) == (
        RefusedLeg(0, "ACCOUNT_RESERVED", CLEARING),
        RefusedLeg(2, "ACCOUNT_RESERVED", CLEARING),
    )
    spec.then_figures(CLEARING, posted=0).then_figures(BEK, posted=2)


def test_money_sent_to_a_clearing_account_comes_back() -> None:
    """The destination rejects it: nobody is paid over the account that pays."""
    spec = Spec(TWO, partition=1).given_done(OpenClearing(currency="KGS"))
    spec.when(receive(uid(5), account_id(1, CLEARING)))
    event = spec.event()
    assert isinstance(event, TransferRejected)
    assert (event.reason, event.detail) == ("ACCOUNT_RESERVED", {"account_id": str(account_id(1, CLEARING))})


def test_an_account_that_was_opened_before_is_opened_again_as_it_was() -> None:
    """Histories keep what was not reserved then; the request was the same."""
    before, now = OpenClearing(currency="KGS", reserved=False), OpenClearing(currency="KGS")
    assert before.fingerprint() == now.fingerprint()
    spec = Spec(TWO)
    spec.when(before).then(AccountOpened(participant=LEDGER, kind=AccountKind.CLEARING, currency="KGS"))
    spec.when(spec.transfer(CASH, CLEARING, 1))
    spec.then_figures(CLEARING, posted=1)


def test_the_books_agree_with_the_account_itself() -> None:
    """That it is reserved follows from its own event, for whoever folds it."""
    spec = home()
    account = spec.life(UUID(bytes=account_originator(CLEARING)))
    assert account.reserved
    assert spec.books.accounts.matches(account)
    assert not spec.books.accounts.matches(msgspec.structs.replace(account, reserved=False))
