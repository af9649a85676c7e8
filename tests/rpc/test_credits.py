"""Credit files over gRPC: each line is decided once and for good, whatever is sent again, and the sums tie out."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid5

import pytest

from domain.money import MAX_AMOUNT
from ledger.rpc.outcomes import Outcomes
from protos.esep.v1 import account_pb2, card_pb2, credit_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import credit_service_pb2 as api
from protos.esep.v1 import participant_service_pb2 as participants
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1 import transfer_service_pb2 as transfers
from protos.esep.v1.participant_pb2 import ParticipantNames
from tests.people import card_number
from tests.rpc.credit_bank import Payer, closing, to_account, to_card, to_number
from tests.rpc.world import Bank, new_id

CUSTOMER = account_pb2.ACCOUNT_KIND_CUSTOMER
UNKNOWN = (1 << 40) - 1


@pytest.fixture
def payer(bank: Bank) -> Payer:
    """Give an employer's account with 10,000 som."""
    return Payer(bank)


def balance(bank: Bank, account_id: int) -> int:
    """Return what an account has now."""
    head = bank.call(bank.ledger.accounts.GetAccount, accounts.GetAccountRequest(account_id=account_id)).position
    request = statements.GetBalanceRequest(account_id=account_id, min_position=head)
    found: int = bank.call(bank.ledger.statements.GetBalance, request).balance.posted_tyiyn
    return found


def reasons(answer: api.PostCreditLinesResponse) -> dict[int, str]:
    """Return why lines of an answer were refused, by their numbers."""
    return {refusal.line_number: refusal.reason for refusal in answer.refusals}


def close_account(bank: Bank, account_id: int) -> None:
    bank.call(
        bank.ledger.accounts.CloseAccount, accounts.CloseAccountRequest(request_id=new_id(), account_id=account_id)
    )


def test_a_line_is_a_transfer_of_the_files_kind(payer: Payer) -> None:
    """The transfer of a line has the id that follows from file and number, and names both."""
    bank = payer.bank
    file_id = payer.open(2, 30_000)
    answer = payer.post(
        file_id, [to_account(1, bank.poor, 10_000), to_account(7, bank.rich, 20_000, reference="bonus")]
    )
    assert (len(answer.positions), list(answer.replayed), list(answer.refusals)) == (2, [], [])
    transfer_id = str(uuid5(UUID(file_id), "7"))
    found = bank.call(bank.ledger.transfers.GetTransfer, transfers.GetTransferRequest(transfer_id=transfer_id)).transfer
    assert (found.kind, found.amount_tyiyn, found.reference) == ("salary", 20_000, "bonus")
    assert (found.credit_file_id, found.credit_line_number) == (file_id, 7)
    assert (balance(bank, bank.poor), balance(bank, payer.account)) == (10_000, 970_000)
    assert [(line.line_number, line.reference) for line in payer.listed(file_id)] == [(1, "2026-11"), (7, "bonus")]


def test_a_line_that_is_sent_again_is_paid_once(payer: Payer) -> None:
    """Whatever request brings it, alone or among others, twice in one, or by another way to the same account."""
    bank = payer.bank
    numbered = bank.open(CUSTOMER, account_number="1080000000000001")
    file_id = payer.open()
    first = payer.post(file_id, [to_account(1, bank.poor, 500), to_account(2, numbered, 700)])
    lines = [to_account(3, bank.poor, 9), to_number(2, "1080000000000001", 700), to_account(1, bank.poor, 500)]
    again = payer.post(file_id, [*lines, lines[0]])
    assert (list(again.positions[1:3]), list(again.replayed)) == ([*reversed(first.positions)], [1, 2, 3])
    assert again.positions[0] == again.positions[3]
    assert (balance(bank, bank.poor), balance(bank, numbered)) == (509, 700)
    assert (again.credit_file.posted_lines, again.credit_file.posted_sum_tyiyn) == (3, 1_209)
    assert again.credit_file.version == 3  # It counts chunks that decided something, not lines.


def test_a_number_stands_for_one_line(payer: Payer) -> None:
    """Other content under a number that is taken has a reason of its own, and changes nothing."""
    bank = payer.bank
    file_id = payer.open()
    payer.post(file_id, [to_account(1, bank.poor, 500), to_account(2, bank.poor, 0)])
    other = [
        to_account(1, bank.poor, 501),
        to_account(1, bank.rich, 500),
        to_account(1, bank.poor, 500, reference="x"),
        to_account(2, bank.poor, 1),
        to_account(4, bank.poor, 1),
        to_account(4, bank.poor, 2),
    ]
    answer = payer.post(file_id, other)
    refused = {refusal.index: (refusal.reason, refusal.recorded) for refusal in answer.refusals}
    assert refused == dict.fromkeys((0, 1, 2, 3, 5), ("CREDIT_LINE_REUSED", False))
    assert [bool(position) for position in answer.positions] == [False] * 4 + [True, False]
    assert balance(bank, bank.poor) == 501


def test_a_bad_line_stops_no_other(payer: Payer) -> None:
    """Each line is refused for its own reason, for good, and the good ones are paid."""
    bank = payer.bank
    closed, frozen, dollars = (bank.open(CUSTOMER) for _ in range(3))
    close_account(bank, closed)
    freeze = accounts.FreezeAccountRequest(request_id=new_id(), account_id=frozen, credits=True)
    bank.call(bank.ledger.accounts.FreezeAccount, freeze)
    lines = [
        to_account(1, bank.poor, 100),
        to_account(2, UNKNOWN, 100),
        to_number(3, "1080000000000009", 100),
        to_account(4, closed, 100),
        to_account(5, frozen, 100),
        to_account(6, bank.poor, 0),
        to_account(7, payer.account, 100),
        to_account(8, bank.merchant, 100),
        to_account(9, bank.poor, 1_000_000),
        to_card(10, new_id(), 100),
        to_account(11, dollars, 100),
    ]
    file_id = payer.open(len(lines))
    answer = payer.post(file_id, lines)
    expected = {
        2: "ACCOUNT_NOT_FOUND",
        3: "ACCOUNT_NOT_FOUND",
        4: "ACCOUNT_CLOSED",
        5: "ACCOUNT_FROZEN",
        6: "CREDIT_AMOUNT_ZERO",
        7: "RECIPIENT_IS_PAYER",
        8: "RECIPIENT_NOT_FOUND",
        9: "INSUFFICIENT_FUNDS",
        10: "CARD_NOT_FOUND",
    }
    assert reasons(answer) == expected
    assert all(refusal.recorded and refusal.message for refusal in answer.refusals)
    assert all(answer.positions)
    file = answer.credit_file
    assert (file.received_lines, file.posted_lines, file.refused_lines) == (11, 2, 9)
    assert (file.posted_sum_tyiyn, file.received_sum_tyiyn) == (200, 1_000_900)
    listed = payer.listed(file_id, refused_only=True, page_size=4)
    assert {line.line_number: line.refusal.reason for line in listed} == expected
    assert not any(line.transfer_id for line in listed)
    bank.move(bank.cash, payer.account, 9_000_000)
    again = payer.post(file_id, lines)
    assert reasons(again) == expected
    assert (list(again.replayed), again.credit_file) == (list(range(11)), file)


def issue(bank: Bank) -> str:
    """Return a card of an account."""
    request = cards.IssueCardRequest(
        request_id=new_id(),
        participant_id="bank-a",
        account_id=bank.poor,
        card_number=card_number(),
        expiry="12/29",
    )
    return str(bank.call(bank.ledger.cards.IssueCard, request).card.card_id)


def close_card(bank: Bank, card_id: str) -> None:
    bank.call(bank.ledger.cards.CloseCard, cards.CloseCardRequest(request_id=new_id(), card_id=card_id))


def test_a_card_names_the_account_it_spends_from(payer: Payer) -> None:
    """A blocked card is paid all the same, a closed one is not."""
    bank = payer.bank
    blocked, closed = issue(bank), issue(bank)
    block = cards.BlockCardRequest(request_id=new_id(), card_id=blocked)
    assert bank.call(bank.ledger.cards.BlockCard, block).card.state == card_pb2.CARD_STATE_BLOCKED
    close_card(bank, closed)
    answer = payer.post(payer.open(2), [to_card(1, blocked, 600), to_card(2, closed, 600)])
    assert reasons(answer) == {2: "CARD_CLOSED"}
    assert balance(bank, bank.poor) == 600


def test_cards_are_found_all_at_once(payer: Payer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables know a file's cards, what the log has behind them is heeded, and it is asked only of those since."""
    bank = payer.bank
    old = [issue(bank) for _ in range(3)]
    closed_before, closed_since, paid = old
    close_card(bank, closed_before)
    file_id = payer.open()
    balance(bank, bank.poor)  # The tables have all this.
    bank.world.hold_projections()
    close_card(bank, closed_since)
    young = issue(bank)
    asked: list[bytes] = []
    real = Outcomes.aggregate

    def counted(self: Outcomes, originator_id: bytes, **options: Any) -> Any:
        asked.append(originator_id)
        return real(self, originator_id, **options)

    monkeypatch.setattr(Outcomes, "aggregate", counted)
    wanted = [closed_before, closed_since, paid, young, new_id()]
    answer = payer.post(file_id, [to_card(number, card, 600) for number, card in enumerate(wanted, 1)])
    bank.world.resume_projections()
    assert reasons(answer) == {1: "CARD_CLOSED", 2: "CARD_CLOSED", 5: "CARD_NOT_FOUND"}
    assert not {UUID(bytes=each) for each in asked} & {UUID(each) for each in old}


def test_another_bank_is_paid_through_both_settlement_accounts(payer: Payer) -> None:
    """The whole way is one transfer; a bank that is not registered is not reached."""
    bank = payer.bank
    settlements: dict[str, int] = {}
    elsewhere = open_at(bank, "bank-b", CUSTOMER)
    for participant in ("bank-a", "bank-b"):
        kinds = (account_pb2.ACCOUNT_KIND_SETTLEMENT, account_pb2.ACCOUNT_KIND_FEE_INCOME)
        settlement, fees = (open_at(bank, participant, kind) for kind in kinds)
        settlements[participant] = settlement
        if participant == "bank-b":
            early = payer.post(payer.open(), [to_account(1, elsewhere, 5)])
            assert reasons(early) == {1: "PARTICIPANT_NOT_FOUND"}
        request = participants.RegisterParticipantRequest(
            request_id=new_id(),
            participant_id=participant,
            names=ParticipantNames(ky="Банк", ru="Банк", en="Bank"),
            settlement_account_id=settlement,
            fee_account_id=fees,
        )
        bank.call(bank.ledger.participants.RegisterParticipant, request)
    file_id = payer.open(account_id=payer.account)
    payer.post(file_id, [to_account(1, elsewhere, 700)])
    assert [balance(bank, account) for account in (payer.account, *settlements.values(), elsewhere)] == [
        999_300,
        0,
        0,
        700,
    ]
    transfer_id = payer.listed(file_id)[0].transfer_id
    found = bank.call(bank.ledger.transfers.GetTransfer, transfers.GetTransferRequest(transfer_id=transfer_id)).transfer
    assert [leg.kind for leg in found.legs] == ["interbank", "salary"]
    part = transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=transfer_id, amount_tyiyn=200)
    bank.call(bank.ledger.transfers.ReverseTransfer, part)
    assert (balance(bank, elsewhere), balance(bank, payer.account)) == (500, 999_500)
    back = transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=transfer_id)
    bank.call(bank.ledger.transfers.ReverseTransfer, back)
    assert (balance(bank, elsewhere), balance(bank, payer.account)) == (0, 1_000_000)
    by_settlement = payer.open(account_id=settlements["bank-a"])
    payer.post(by_settlement, [to_account(1, elsewhere, 80)])
    assert (balance(bank, settlements["bank-a"]), balance(bank, elsewhere)) == (-80, 80)


def open_at(bank: Bank, participant: str, kind: account_pb2.AccountKind.ValueType) -> int:
    request = accounts.OpenAccountRequest(request_id=new_id(), participant_id=participant, kind=kind)
    return int(bank.call(bank.ledger.accounts.OpenAccount, request).account.account_id)


def test_a_file_is_closed_when_it_is_complete(payer: Payer) -> None:
    """Too few lines or another sum say so; refused lines and their corrections count; closed is closed."""
    bank = payer.bank
    file_id = payer.open(2, 300)
    payer.post(file_id, [to_account(1, bank.poor, 100)])
    short = payer.not_closed(file_id, 2, 300)
    assert short.reason == "CREDIT_FILE_INCOMPLETE"
    figures = ("expected_lines", "received_lines", "expected_sum", "received_sum")
    assert [short.metadata[each] for each in figures] == ["2", "1", "300", "100"]
    assert payer.not_closed(file_id, 1, 100).reason == "CREDIT_FILE_INCOMPLETE"
    payer.post(file_id, [to_account(2, UNKNOWN, 200)])
    payer.post(file_id, [to_account(3, bank.poor, 200)])
    assert payer.not_closed(file_id, 2, 300).reason == "CREDIT_FILE_INCOMPLETE"
    request_id = new_id()
    closed = payer.close(file_id, 3, 500, request_id)
    assert closed.credit_file.state == credit_pb2.CREDIT_FILE_STATE_CLOSED
    again = payer.close(file_id, 3, 500, request_id)
    assert (again.receipt.replayed, again.credit_file) == (True, closed.credit_file)
    late = payer.post(file_id, [to_account(1, bank.poor, 100), to_account(4, bank.poor, 1)])
    assert (list(late.replayed), reasons(late)) == ([0], {4: "CREDIT_FILE_CLOSED"})
    assert not late.refusals[0].recorded
    assert balance(bank, bank.poor) == 300


def test_an_outcome_is_told_after_a_timeout(payer: Payer) -> None:
    """GetOutcome answers the opening and the closing of a file."""
    bank = payer.bank
    opening = payer.opening(1, 5)
    opened = bank.call(payer.credits.OpenCreditFile, opening)
    payer.post(opening.request_id, [to_account(1, bank.poor, 5)])
    request_id = new_id()
    closed = payer.close(opening.request_id, 1, 5, request_id)
    for request, file in ((opening.request_id, opened.credit_file), (request_id, closed.credit_file)):
        told = bank.call(bank.ledger.transfers.GetOutcome, transfers.GetOutcomeRequest(request_id=request))
        assert told.credit_file == file


def test_a_trial_run_decides_and_records_nothing(payer: Payer) -> None:
    """The reasons are those of the run itself; a number used twice with other content is found as well."""
    bank = payer.bank
    lines = [
        to_account(1, bank.poor, 5),
        to_account(2, UNKNOWN, 5),
        to_account(1, bank.poor, 5),
        to_account(1, bank.poor, 6),
    ]
    file_id = payer.open()
    tried = payer.post(file_id, lines, validate_only=True)
    assert [(refusal.index, refusal.reason) for refusal in tried.refusals] == [
        (1, "ACCOUNT_NOT_FOUND"),
        (3, "CREDIT_LINE_REUSED"),
    ]
    assert list(tried.positions) == [0, 0, 0, 0]
    assert (tried.credit_file.received_lines, balance(bank, bank.poor)) == (0, 0)


def test_every_field_at_fault_is_named(payer: Payer) -> None:
    """A malformed line refuses the request with its path, and nothing of it is paid."""
    bank = payer.bank
    lines = [
        to_account(1, bank.poor, 5),
        to_account(0, bank.poor, -1, reference="x" * 65),
        to_account(1_000_001, 0, MAX_AMOUNT + 1, reference="a\nb"),
        to_number(2, "no number", 1, "No Bank"),
        to_card(3, "no card", 1),
        credit_pb2.NewCreditLine(line_number=4, amount_tyiyn=1),
    ]
    file_id = payer.open()
    request = api.PostCreditLinesRequest(credit_file_id=file_id, lines=lines)
    assert bank.refused(payer.credits.PostCreditLines, request).fields == {
        "lines[1].line_number": "RANGE",
        "lines[1].amount_tyiyn": "RANGE",
        "lines[1].reference": "STRING_TOO_LONG",
        "lines[2].line_number": "RANGE",
        "lines[2].amount_tyiyn": "RANGE",
        "lines[2].reference": "VALUE_ERROR",
        "lines[2].target.account_id": "RANGE",
        "lines[3].target.account_number.participant_id": "PATTERN",
        "lines[3].target.account_number.account_number": "PATTERN",
        "lines[4].target.card_id": "UUID",
        "lines[5].target": "MISSING",
    }
    assert balance(bank, bank.poor) == 0
    for count in (0, 8_191):
        request = api.PostCreditLinesRequest(credit_file_id=file_id, lines=[lines[0]] * count)
        assert bank.refused(payer.credits.PostCreditLines, request).fields == {"lines": "LENGTH"}
    request = api.PostCreditLinesRequest(credit_file_id="x", lines=lines[:1])
    assert bank.refused(payer.credits.PostCreditLines, request).fields == {"credit_file_id": "UUID"}
    request = api.PostCreditLinesRequest(credit_file_id=new_id(), lines=lines[:1])
    assert bank.refused(payer.credits.PostCreditLines, request).reason == "CREDIT_FILE_NOT_FOUND"


def test_a_file_names_an_account_that_can_pay(payer: Payer) -> None:
    """What the opening says is checked by field, and the paying account is the participant's own and open."""
    bank = payer.bank
    wrong = payer.opening(0, -1, category=0, participant_id="", payer_name="", account_id=0)
    assert set(bank.refused(payer.credits.OpenCreditFile, wrong).fields) == {
        "line_count",
        "sum_tyiyn",
        "category",
        "participant_id",
        "payer_name",
        "account_id",
    }
    strange = payer.opening(1, 1, participant_id="bank-b")
    assert bank.refused(payer.credits.OpenCreditFile, strange).fields == {"account_id": "PARTICIPANT"}
    unknown = payer.opening(1, 1, account_id=UNKNOWN)
    assert bank.refused(payer.credits.OpenCreditFile, unknown).reason == "ACCOUNT_NOT_FOUND"
    close_account(bank, bank.poor)
    shut = payer.opening(1, 1, account_id=bank.poor)
    assert bank.refused(payer.credits.OpenCreditFile, shut).reason == "ACCOUNT_CLOSED"
    assert bank.refused(payer.credits.CloseCreditFile, closing("x", 0, -1)).fields.keys() == {
        "credit_file_id",
        "line_count",
        "sum_tyiyn",
    }


def test_two_who_send_the_same_lines_at_once_pay_them_once(payer: Payer) -> None:
    """An operator who repeats what the bank is sending meanwhile changes nothing."""
    bank = payer.bank
    file_id = payer.open(2_000, 2_000)
    lines = [to_account(number, bank.poor, 1) for number in range(1, 2_001)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: payer.post(file_id, lines), range(4)))
    assert len({tuple(answer.positions) for answer in answers}) == 1
    assert sorted(len(answer.replayed) for answer in answers) == [0, 2_000, 2_000, 2_000]
    assert balance(bank, bank.poor) == 2_000
    payer.close(file_id, 2_000, 2_000)


def test_a_sum_that_no_account_could_hold_is_not_taken(payer: Payer) -> None:
    """A file's sums stay within bounds: what would pass them is not even recorded."""
    file_id = payer.open()
    for start in (1, 2_001):
        payer.post(file_id, [to_account(number, UNKNOWN, MAX_AMOUNT) for number in range(start, start + 2_000)])
    answer = payer.post(file_id, [to_account(number, UNKNOWN, MAX_AMOUNT) for number in range(4_001, 4_613)])
    last = answer.refusals[-1]
    assert (last.line_number, last.reason, last.recorded) == (4_612, "BALANCE_LIMIT", False)
    assert answer.credit_file.received_lines == 4_611
