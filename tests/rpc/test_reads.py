"""Questions: read-your-writes, pages, moments, and what a person may see of the other side."""

import threading
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ledger.rpc.translate.statement import counterparty
from projections.answers import Source, StatementLine
from protos.esep.v1 import account_pb2, authorization_pb2, common_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import authorization_service_pb2 as authorizations
from protos.esep.v1 import receipt_service_pb2 as receipts
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1 import transfer_service_pb2 as transfers
from protos.esep.v1.service_directory_pb2 import LANGUAGE_EN
from tests.rpc.test_refusals import authorize, held
from tests.rpc.world import PATIENCE, Bank, World, new_id, transfer

SOON = Timestamp(seconds=4_000_000_000)


def at(position: int) -> common_pb2.LogPosition:
    return common_pb2.LogPosition(partition=0, position=position)


def test_a_write_is_read_at_its_position(bank: Bank) -> None:
    """With the receipt's position a balance reflects the write, however far behind the projections are."""
    bank.world.hold_projections()
    receipt = bank.move(bank.rich, bank.poor, 10).receipt
    threading.Timer(0.2, bank.world.resume_projections).start()
    request = statements.GetBalanceRequest(account_id=bank.poor, min_position=at(receipt.position))
    answer = bank.call(bank.ledger.statements.GetBalance, request)
    assert answer.position.position >= receipt.position
    assert (answer.balance.posted_tyiyn, answer.balance.available_tyiyn) == (10, 10)
    assert answer.balance.currency_code == "KGS"


def test_many_wait_for_positions_at_once(bank: Bank) -> None:
    """Whoever waits for a position hears of it, whatever the others wait for."""
    bank.world.hold_projections()
    positions = [bank.move(bank.rich, bank.poor, 1).receipt.position for _ in range(20)]
    pending = [
        bank.ledger.statements.GetBalance.future(
            statements.GetBalanceRequest(account_id=bank.poor, min_position=at(position)), timeout=PATIENCE
        )
        for position in reversed(positions)
    ]
    bank.world.resume_projections()
    assert all(call.result().position.position >= positions[0] for call in pending)


def test_balances_of_many_are_of_one_position(bank: Bank) -> None:
    """All of the balances or none: the first unknown account is named."""
    request = statements.BatchGetBalancesRequest(account_ids=[bank.poor, bank.rich], min_position=at(6))
    answer = bank.call(bank.ledger.statements.BatchGetBalances, request)
    assert [balance.posted_tyiyn for balance in answer.balances] == [0, 1_000_000]
    request.account_ids.append(999)
    refusal = bank.refused(bank.ledger.statements.BatchGetBalances, request)
    assert (refusal.reason, refusal.metadata["account_id"]) == ("ACCOUNT_NOT_FOUND", "999")


def test_a_balance_as_of_a_position_is_what_it_was(bank: Bank) -> None:
    """The past is asked by position and by time."""
    before = bank.move(bank.rich, bank.poor, 10).receipt
    after = bank.move(bank.rich, bank.poor, 5).receipt
    for moment in (
        common_pb2.AsOf(position=at(before.position)),
        common_pb2.AsOf(record_time=before.record_time),
        common_pb2.AsOf(effective_time=before.record_time),
    ):
        request = statements.GetBalanceRequest(account_id=bank.poor, as_of=moment, min_position=at(after.position))
        balance = bank.call(bank.ledger.statements.GetBalance, request).balance
        assert balance.posted_tyiyn == 10
        assert balance.HasField("held_tyiyn") == (moment.WhichOneof("point") != "effective_time")


@pytest.mark.parametrize("point", ["position", "record_time", "effective_time"])
@pytest.mark.parametrize("method", ["GetBalance", "BatchGetBalances"])
def test_a_balance_as_of_a_moment_lacks_nothing_of_it(bank: Bank, method: str, point: str) -> None:
    """Tables that are behind would tell of one and the same moment first this, then that, or refuse it as to come."""
    bank.world.hold_projections()
    receipt = bank.move(bank.rich, bank.poor, 10).receipt
    moment = common_pb2.AsOf(record_time=receipt.record_time)
    if point == "position":
        moment = common_pb2.AsOf(position=at(receipt.position))
    elif point == "effective_time":
        moment = common_pb2.AsOf(effective_time=receipt.record_time)
    later = threading.Timer(0.3, bank.world.resume_projections)
    later.start()
    if method == "GetBalance":
        one = statements.GetBalanceRequest(account_id=bank.poor, as_of=moment)
        told = bank.call(bank.ledger.statements.GetBalance, one).balance
    else:
        many = statements.BatchGetBalancesRequest(account_ids=[bank.poor], as_of=moment)
        (told,) = bank.call(bank.ledger.statements.BatchGetBalances, many).balances
    later.join()
    assert told.posted_tyiyn == 10


@pytest.mark.parametrize("account", [-1, 0, 999, 2**53 - 1, 2**53, 2**63 - 1])
def test_a_balance_of_an_account_of_no_partition_is_refused_at_any_moment(bank: Bank, account: int) -> None:
    """As it is without a moment: nobody waits for a partition that there is not."""
    now = bank.refused(bank.ledger.statements.GetBalance, statements.GetBalanceRequest(account_id=account))
    then = statements.GetBalanceRequest(account_id=account, as_of=common_pb2.AsOf(record_time=SOON))
    refusal = bank.refused(bank.ledger.statements.GetBalance, then)
    assert (refusal.code, refusal.reason) == (now.code, now.reason)


def test_the_books_sum_to_zero(bank: Bank) -> None:
    """The trial balance's lines of one currency cancel out."""
    answer = bank.call(bank.ledger.statements.GetTrialBalance, statements.GetTrialBalanceRequest(min_position=at(6)))
    assert sum(line.posted_tyiyn for line in answer.lines) == 0
    assert [line.kind for line in answer.lines] == [1, 3, 6]
    assert sum(line.account_count for line in answer.lines) == 4


def test_a_hold_reversed_down_to_nothing_is_open_and_not_printed(bank: Bank) -> None:
    """The list tells it with 0, the mini-statement and its receipt leave it out, and it can be raised again."""
    authorization_id = held(bank, 500, merchant_name="Kiosk")
    parts = [
        authorizations.ReverseAuthorizationPartRequest(
            request_id=new_id(), authorization_id=authorization_id, amount_tyiyn=amount
        )
        for amount in (200, 300)
    ]
    _, answer = [bank.call(bank.ledger.authorizations.ReverseAuthorizationPart, part) for part in parts]
    state, left = authorization_pb2.AUTHORIZATION_STATE_OPEN, answer.authorization.remaining_tyiyn
    assert (answer.authorization.state, left) == (state, 0)
    after = at(answer.receipt.position)
    listing = statements.ListAuthorizationsRequest(account_id=bank.rich, states=[state], min_position=after)
    listed = bank.call(bank.ledger.statements.ListAuthorizations, listing).authorizations
    assert [(each.authorization_id, each.remaining_tyiyn) for each in listed] == [(authorization_id, 0)]
    printing = statements.GetMiniStatementRequest(account_id=bank.rich, min_position=after)
    assert not bank.call(bank.ledger.statements.GetMiniStatement, printing).open_authorizations
    paper = receipts.GetMiniStatementReceiptRequest(account_id=bank.rich, language=LANGUAGE_EN, min_position=after)
    assert "Kiosk" not in "".join(bank.call(bank.ledger.receipts.GetMiniStatementReceipt, paper).lines)
    more = authorizations.IncrementAuthorizationRequest(
        request_id=new_id(), authorization_id=authorization_id, amount_tyiyn=70
    )
    raised = bank.call(bank.ledger.authorizations.IncrementAuthorization, more)
    printing.min_position.position = paper.min_position.position = raised.receipt.position
    (shown,) = bank.call(bank.ledger.statements.GetMiniStatement, printing).open_authorizations
    assert (shown.authorization_id, shown.remaining_tyiyn) == (authorization_id, 70)
    assert "Kiosk" in "".join(bank.call(bank.ledger.receipts.GetMiniStatementReceipt, paper).lines)


def test_a_mini_statement_shows_movements_and_holds(bank: Bank) -> None:
    """What an ATM prints: newest first, the other side masked, holds apart, all of one position."""
    number = bank.open(account_pb2.ACCOUNT_KIND_CUSTOMER, account_number="1080000000001234")
    bank.move(bank.rich, number, 10)
    bank.move(bank.rich, bank.poor, 20)
    authorization_id = held(bank, 500, merchant_name="Kiosk")
    head = bank.world.log.head(0)
    request = statements.GetMiniStatementRequest(account_id=bank.rich, limit=2, min_position=at(head))
    answer = bank.call(bank.ledger.statements.GetMiniStatement, request)
    assert [(line.amount_tyiyn, line.balance_after_tyiyn) for line in answer.lines] == [(-20, 999_970), (-10, 999_990)]
    assert [line.counterparty for line in answer.lines] == [f"account ****{bank.poor}", "**** 1234"]
    assert answer.lines[0].WhichOneof("source") == "transfer_id"
    assert [held.authorization_id for held in answer.open_authorizations] == [authorization_id]
    assert answer.open_authorizations[0].participant_id == "bank-a"
    assert answer.balance.available_tyiyn == 999_470
    assert answer.position == at(head)


def test_a_lapsed_hold_holds_nothing_at_its_instant(bank: Bank) -> None:
    """From expire_time on nothing is held, whether or not that was recorded."""
    authorization_id = held(bank)
    request = authorizations.GetAuthorizationRequest(authorization_id=authorization_id)
    assert bank.call(bank.ledger.authorizations.GetAuthorization, request).authorization.remaining_tyiyn == 500
    bank.world.clock.ahead = 7 * 86_400 * 1_000_000
    assert bank.call(bank.ledger.authorizations.GetAuthorization, request).authorization.remaining_tyiyn == 0


@pytest.mark.parametrize("axis", [1, 2])
def test_pages_of_a_statement_hold_each_movement_once(bank: Bank, axis: statements.StatementAxis.ValueType) -> None:
    """Every page repeats the period's figures and continues where the last one ended, at the first one's position."""
    for amount in range(1, 8):
        bank.move(bank.rich, bank.poor, amount)
    request = statements.GetStatementRequest(
        account_id=bank.poor,
        period_start=Timestamp(seconds=1),
        period_end=SOON,
        axis=axis,
        page_size=3,
        min_position=at(bank.world.log.head(0)),
    )
    amounts, positions = [], set()
    for _ in range(3):
        page = bank.call(bank.ledger.statements.GetStatement, request)
        bank.move(bank.rich, bank.poor, 100)
        assert (page.opening_tyiyn, page.closing_tyiyn, page.total_credits_tyiyn) == (0, 28, 28)
        amounts += [line.amount_tyiyn for line in page.lines]
        positions.add(page.position.position)
        request.page_token = page.next_page_token
    assert amounts == [1, 2, 3, 4, 5, 6, 7]
    assert len(positions) == 1
    assert request.page_token == ""


def test_accounts_are_listed_in_pages(bank: Bank) -> None:
    """A participant's accounts come in the order of their ids; filters keep kinds and states."""
    bank.call(
        bank.ledger.accounts.CloseAccount, accounts.CloseAccountRequest(request_id=new_id(), account_id=bank.poor)
    )
    request = accounts.ListAccountsRequest(
        participant_id="bank-a", page_size=3, min_position=at(bank.world.log.head(0))
    )
    first = bank.call(bank.ledger.accounts.ListAccounts, request)
    request.page_token = first.next_page_token
    second = bank.call(bank.ledger.accounts.ListAccounts, request)
    assert [account.account_id for page in (first, second) for account in page.accounts] == [1, 2, 3, 4]
    assert second.next_page_token == ""
    request.page_token = ""
    request.states.append(account_pb2.ACCOUNT_STATE_CLOSED)
    request.kinds.append(account_pb2.ACCOUNT_KIND_CUSTOMER)
    closed = bank.call(bank.ledger.accounts.ListAccounts, request).accounts
    assert [account.account_id for account in closed] == [bank.poor]


def test_authorizations_are_listed_newest_first(bank: Bank) -> None:
    """By account and by bank, in pages, by state."""
    made = [held(bank, amount) for amount in (1, 2, 3)]
    bank.refused(bank.ledger.authorizations.CreateAuthorization, authorize(bank, account_id=bank.poor))
    request = statements.ListAuthorizationsRequest(
        participant_id="bank-a",
        states=[authorization_pb2.AUTHORIZATION_STATE_OPEN],
        page_size=2,
        min_position=at(bank.world.log.head(0)),
    )
    first = bank.call(bank.ledger.statements.ListAuthorizations, request)
    request.page_token = first.next_page_token
    second = bank.call(bank.ledger.statements.ListAuthorizations, request)
    found = [authorization.authorization_id for page in (first, second) for authorization in page.authorizations]
    assert found == made[::-1]
    unknown = statements.ListAuthorizationsRequest(account_id=999)
    assert bank.refused(bank.ledger.statements.ListAuthorizations, unknown).reason == "ACCOUNT_NOT_FOUND"


def test_transfers_are_found_by_the_callers_own_marks(bank: Bank) -> None:
    """By reference and by tag, newest first, and never those of another caller."""
    for amount in (1, 2):
        request = transfer(bank.rich, bank.poor, amount, reference="invoice-7", tags={"shop": "12"})
        bank.call(bank.ledger.transfers.CreateTransfer, request)
    head = at(bank.world.log.head(0))
    by_reference = transfers.ListTransfersRequest(reference="invoice-7", min_position=head)
    by_tag = transfers.ListTransfersRequest(tag=transfers.Tag(key="shop", value="12"), min_position=head)
    for question in (by_reference, by_tag):
        answer = bank.call(bank.ledger.transfers.ListTransfers, question)
        assert [found.amount_tyiyn for found in answer.transfers] == [2, 1]
    bank.ledger.metadata = (("esep-caller", "bank-b"),)
    assert not bank.call(bank.ledger.transfers.ListTransfers, by_reference).transfers


def test_an_account_is_found_by_its_number(bank: Bank) -> None:
    """The bank's own number names the account as its id does."""
    opened = bank.open(account_pb2.ACCOUNT_KIND_MERCHANT, account_number="108000000000777")
    request = accounts.GetAccountRequest(
        account_number=accounts.AccountNumber(participant_id="bank-a", account_number="108000000000777")
    )
    assert bank.call(bank.ledger.accounts.GetAccount, request).account.account_id == opened
    request.account_number.participant_id = "bank-b"
    assert bank.refused(bank.ledger.accounts.GetAccount, request).reason == "ACCOUNT_NOT_FOUND"


def test_a_page_token_is_good_on_every_server_of_the_ledger(tmp_path: Path) -> None:
    """The server that began a list may stop: one with the same master keys continues it."""
    request = accounts.ListAccountsRequest(participant_id="bank-a", page_size=3, min_position=at(6))
    with World(tmp_path) as first:
        bank = Bank(first)
        request.page_token = bank.call(bank.ledger.accounts.ListAccounts, request).next_page_token
        assert request.page_token
    with World(tmp_path) as second:
        ledger = second.client()
        rest = ledger.accounts.ListAccounts(request, metadata=ledger.metadata, timeout=PATIENCE)
        assert [each.account_id for each in rest.accounts] == [bank.merchant]


def test_a_page_token_belongs_to_its_question(bank: Bank) -> None:
    """A token of other arguments, of another method, or damaged is PAGE_TOKEN_INVALID; another page size is fine."""
    request = accounts.ListAccountsRequest(participant_id="bank-a", page_size=1, min_position=at(6))
    token = bank.call(bank.ledger.accounts.ListAccounts, request).next_page_token
    assert (
        bank.call(
            bank.ledger.accounts.ListAccounts,
            accounts.ListAccountsRequest(participant_id="bank-a", page_size=2, page_token=token),
        )
        .accounts[0]
        .account_id
        == 2
    )
    damaged = bytearray(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    damaged[-1] ^= 1
    for method, question in (
        (bank.ledger.accounts.ListAccounts, accounts.ListAccountsRequest(participant_id="bank-b", page_token=token)),
        (
            bank.ledger.statements.ListAuthorizations,
            statements.ListAuthorizationsRequest(participant_id="bank-a", page_token=token),
        ),
        (
            bank.ledger.accounts.ListAccounts,
            accounts.ListAccountsRequest(
                participant_id="bank-a", page_token=urlsafe_b64encode(bytes(damaged)).decode().rstrip("=")
            ),
        ),
        (bank.ledger.accounts.ListAccounts, accounts.ListAccountsRequest(participant_id="bank-a", page_token="жук")),
    ):
        refusal = bank.refused(method, question)
        assert (refusal.reason, refusal.fields) == ("PAGE_TOKEN_INVALID", {"page_token": "PAGE_TOKEN_INVALID"})
        assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("merchant", "number", "shown"),
    [
        ("Kiosk", "1080000000001234", "Kiosk"),
        ("", "1080000000001234", "**** 1234"),
        ("", "1234", "account ****6789"),
        ("", "", "account ****6789"),
    ],
)
def test_a_person_sees_a_name_or_the_end_of_a_number(merchant: str, number: str, shown: str) -> None:
    """Never a whole account number."""
    line = StatementLine(0, 1, 0, 0, 0, "transfer", 1, 1, 123456789, number, Source.TRANSFER, b"\0" * 16, "", merchant)
    assert counterparty(line) == shown
