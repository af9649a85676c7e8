"""Attempts of one request that overlap, where the vault is written before the log hears of anything."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from unittest.mock import patch
from uuid import UUID

import grpc
import pytest
from google.protobuf.message import Message

from protos.esep.v1 import account_pb2
from protos.esep.v1.account_service_pb2 import GetAccountRequest
from tests.people import card_number
from tests.rpc.card_cases import issuing
from tests.rpc.customer_cases import confirmation, registered, registration, sent
from tests.rpc.world import PATIENCE, Bank, Refusal, new_id
from tests.waiting import eventually

OVERLAP = 1.0
"""Seconds for which an attempt is held up so that another could overtake it; with turns none does."""


def test_a_refused_attempt_gives_up_nothing_that_another_stands_on(bank: Bank) -> None:
    """An issue is refused and sent again at once with an account that exists: the card's number is kept."""
    cards = bank.world.vault.vault.cards
    number, request_id = card_number(), new_id()
    bad = issuing(bank, card_number=number, request_id=request_id, account_id=(1 << 35) + 1)
    good = issuing(bank, card_number=number, request_id=request_id)
    begun, forgotten, both = threading.Event(), threading.Event(), threading.Barrier(2)
    reserve, forget, settle = cards.reserve, cards.forget, cards.settle

    def reserve_together(*arguments: Any) -> Any:
        reserved = reserve(*arguments)
        begun.set()
        with suppress(threading.BrokenBarrierError):
            both.wait(OVERLAP)
        return reserved

    def forget_and_tell(*arguments: Any) -> None:
        forget(*arguments)
        forgotten.set()

    def slow_to_settle(*arguments: Any) -> None:
        forgotten.wait(PATIENCE)
        settle(*arguments)

    with (
        patch.object(cards, "reserve", reserve_together),
        patch.object(cards, "forget", forget_and_tell),
        patch.object(cards, "settle", slow_to_settle),
        ThreadPoolExecutor(1) as threads,
    ):
        first = threads.submit(bank.refused, bank.ledger.cards.IssueCard, bad)
        assert begun.wait(PATIENCE)
        card = bank.call(bank.ledger.cards.IssueCard, good).card
        assert first.result(PATIENCE).reason == "ACCOUNT_NOT_FOUND"
    assert cards.find(number) == UUID(card.card_id).bytes


def test_who_hangs_up_leaves_nothing_half_done(bank: Bank) -> None:
    """A card whose issue nobody waits for any more is issued, and the vault has seen the log agree."""
    cards = bank.world.vault.vault.cards
    begun, gone, settled = threading.Event(), threading.Event(), threading.Event()
    reserve, settle = cards.reserve, cards.settle

    def slow_to_reserve(*arguments: Any) -> Any:
        begun.set()
        gone.wait(PATIENCE)
        return reserve(*arguments)

    def settle_and_tell(*arguments: Any) -> None:
        settle(*arguments)
        settled.set()

    with patch.object(cards, "reserve", slow_to_reserve), patch.object(cards, "settle", settle_and_tell):
        call = bank.ledger.cards.IssueCard.future(issuing(bank), metadata=bank.ledger.metadata, timeout=PATIENCE)
        assert begun.wait(PATIENCE)
        call.cancel()
        bank.open(account_pb2.ACCOUNT_KIND_CUSTOMER)  # By then the server has heard of it.
        gone.set()
        assert settled.wait(PATIENCE)
    assert cards.unsettled(1 << 62) == []


def test_a_code_that_is_sent_twice_at_once_is_tried_once(bank: Bank) -> None:
    """A wrong code under one id costs one try, however often it arrives meanwhile."""
    customer_id = registered(bank)
    wrong = f"{(int(sent(bank)) + 1) % 10**6:06}"
    request = confirmation(customer_id, wrong)
    confirm = bank.ledger.customers.ConfirmRegistration
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: bank.refused(confirm, request), range(4)))
    assert {answer.metadata["tries_left"] for answer in answers} == {"4"}
    assert bank.refused(confirm, confirmation(customer_id, wrong)).metadata["tries_left"] == "3"


@pytest.mark.parametrize("settings", [{"max_concurrent_calls": 2, "max_streams": 1}])
def test_who_hangs_up_again_and_again_begins_no_more_than_others(limited_bank: Bank) -> None:
    """Work that its callers have left counts against the limit of calls until it is done; then there is room again."""
    bank, register = limited_bank, limited_bank.ledger.customers.RegisterCustomer
    vault, begun, gate = bank.world.vault.vault, threading.Semaphore(0), threading.Event()
    reserve = vault.reserve

    def slow_to_reserve(*arguments: Any) -> Any:
        begun.release()
        gate.wait(PATIENCE)
        return reserve(*arguments)

    before = bank.world.log.head(0)
    with patch.object(vault, "reserve", slow_to_reserve):
        for _ in range(2):
            call = register.future(registration(), metadata=bank.ledger.metadata, timeout=PATIENCE)
            assert begun.acquire(timeout=PATIENCE)
            call.cancel()
        look = GetAccountRequest(account_id=bank.rich)
        eventually(lambda: admitted(bank, bank.ledger.accounts.GetAccount, look))  # It has heard that they are gone.
        assert bank.refused(register, registration()).reason == "QUEUE_FULL"
        gate.set()
        eventually(lambda: bank.world.log.head(0) == before + 2)
    eventually(lambda: admitted(bank, register, registration()))


def admitted(bank: Bank, method: Any, request: Message) -> bool:
    try:
        bank.call(method, request)
    except grpc.RpcError as error:
        if Refusal(error).reason != "QUEUE_FULL":
            raise
        return False
    return True
