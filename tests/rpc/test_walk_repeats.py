"""Every write of the contract, sent again: by its caller, by another, for another method, with other content.

What is sent again is answered in the first words and records nothing, whether the engine remembers the request, has
forgotten it, or was started since.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message

from domain.refusals import Refused
from ledger.engine.decider import TIMER
from tests.rpc.every_write import EVERY_WRITE, written_under_an_id
from tests.rpc.other_content import changed
from tests.rpc.stage import FORGETFUL, Stage
from tests.rpc.world import UNTOLD, Refusal, new_id, refused, transfer

METHODS = sorted(EVERY_WRITE)


class Told:
    """Requests that were carried out, with what was answered first."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.first: dict[str, tuple[Message, Any]] = {}
        self._others: dict[str, Any] = {}
        self._read = self._recorded = 0

    def of(self, method: str) -> tuple[Message, Any]:
        """Return a method's request and its first answer, carried out now if it was not before."""
        if method not in self.first:
            request = EVERY_WRITE[method](self.stage)
            self.first[method] = request, self.stage.call(method, request)
        return self.first[method]

    def other(self, method: str) -> Any:
        """Return another request that succeeds, about things of its own."""
        if method not in self._others:
            self._others[method] = EVERY_WRITE[method](self.stage)
        return self._others[method]

    def head(self) -> int:
        """Return how much is recorded, but for what the ledger does by the clock, such as asking silent providers."""
        while rows := self.stage.world.log.read(0, self._read, 1_000):
            self._read += len(rows)
            self._recorded += sum(row.caller != TIMER for row in rows)
        return self._recorded


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Give a ledger that all methods share, each with things of its own."""
    with Stage(tmp_path_factory.mktemp("ledger")) as stage:
        yield Told(stage)


@pytest.fixture(scope="module")
def told_long_ago(told: Told) -> Told:
    """Give the same ledger, started again, with an engine that keeps hardly anything in memory."""
    for method in METHODS:
        told.of(method)
    told.stage.open_again(FORGETFUL)
    return told


def cut_off(told: Told, method: str, request: Message) -> None:
    """Send a request in whose course the ledger fails; nothing but that is told."""
    assert refused(lambda: told.stage.call(method, request)).reason == "LEDGER_UNAVAILABLE"


def answered_again(told: Told, method: str) -> None:
    request, first = told.of(method)
    before = told.head()
    again = told.stage.call(method, request)
    assert not first.receipt.replayed
    assert again.receipt.replayed
    again.receipt.replayed = False
    assert again == first
    assert told.head() == before


def under(request: Message, request_id: str) -> Any:
    """Return a request under another id."""
    other: Any = type(request)()
    other.CopyFrom(request)
    other.request_id = request_id
    return other


def answer_or_refusal(told: Told, method: str, request: Any) -> tuple[object, ...]:
    """Return what a request is answered, but for whether it was before."""
    try:
        answer = told.stage.call(method, request)
    except grpc.RpcError as error:
        refusal = Refusal(error)
        return refusal.reason, {**refusal.metadata, "replayed": ""}, refusal.fields
    answer.receipt.replayed = False
    return (answer,)


def test_every_write_is_walked() -> None:
    """A method that is added to the contract is added to this walk."""
    assert set(EVERY_WRITE) == written_under_an_id()


@pytest.mark.parametrize("method", METHODS)
def test_what_is_sent_again_is_answered_again(told: Told, method: str) -> None:
    """In the first words, but for ``replayed``, and nothing is recorded."""
    answered_again(told, method)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_sent_at_once_is_done_once(told: Told, method: str) -> None:
    """Four times the same, none waiting for another: one is the first, and all hear the same."""
    request = told.other(method)
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: told.stage.call(method, request), range(4)))
    assert sorted(answer.receipt.replayed for answer in answers) == [False, True, True, True]
    for answer in answers:
        answer.receipt.replayed = False
    assert all(answer == answers[0] for answer in answers)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_under_another_id_is_answered_for_good_too(told: Told, method: str) -> None:
    """Done once more or declined: whichever it was, is what the id is answered with ever after."""
    request = under(told.of(method)[0], new_id())
    first = answer_or_refusal(told, method, request)
    before = told.head()
    again = answer_or_refusal(told, method, request)
    assert again == first
    assert told.head() == before


@pytest.mark.parametrize("method", METHODS)
def test_what_was_cut_off_before_the_log_is_done_when_it_is_sent_again(told: Told, method: str) -> None:
    """Whatever the vault was told already: nothing is recorded, and the next attempt is the first."""
    request = EVERY_WRITE[method](told.stage)
    before = told.head()
    told.stage.world.engine.refusing = Refused(UNTOLD.refusal)
    cut_off(told, method, request)
    told.stage.world.engine.refusing = None
    assert told.head() == before
    assert not told.stage.call(method, request).receipt.replayed
    assert told.head() > before


@pytest.mark.parametrize("method", METHODS)
def test_what_was_cut_off_after_the_log_is_told_when_it_is_sent_again(told: Told, method: str) -> None:
    """Whatever the vault was not told any more: it is done, and the next attempt only hears of it."""
    request = EVERY_WRITE[method](told.stage)
    told.stage.world.engine.losing = True
    cut_off(told, method, request)
    told.stage.world.engine.losing = False
    before = told.head()
    assert told.stage.call(method, request).receipt.replayed
    assert told.head() == before


@pytest.mark.parametrize("method", METHODS)
def test_an_id_is_its_callers(told: Told, method: str) -> None:
    """Whoever else sends the same is told only that the id is taken."""
    request, _ = told.of(method)
    before = told.head()
    assert refused(lambda: told.stage.call(method, request, "stranger")).reason == "REQUEST_ID_REUSED"
    assert told.head() == before


@pytest.mark.parametrize("method", METHODS)
def test_an_id_is_of_one_method(told: Told, method: str) -> None:
    """A transfer under the id is refused, and so is this method under the id of a transfer."""
    request, _ = told.of(method)
    bank = told.stage.bank
    made = transfer(bank.rich, bank.poor, 3)
    told.stage.call("/esep.v1.TransferService/CreateTransfer", made)
    other = transfer(bank.rich, bank.poor, 11, request_id=request.request_id)  # type: ignore[attr-defined]
    moved = refused(lambda: told.stage.call("/esep.v1.TransferService/CreateTransfer", other))
    assert moved.reason == "REQUEST_ID_REUSED"
    fresh = under(told.other(method), made.request_id)
    before = told.head()
    assert refused(lambda: told.stage.call(method, fresh)).reason == "REQUEST_ID_REUSED"
    assert told.head() == before


@pytest.mark.parametrize("method", METHODS)
def test_an_id_is_of_one_content(told: Told, method: str) -> None:
    """Any field that is changed, one at a time, makes it another request."""
    request, _ = told.of(method)
    others = list(changed(method, request, told.other(method)))
    before = told.head()
    found = {name: refused(partial(told.stage.call, method, other)).reason for name, other in others}
    assert found == dict.fromkeys(found, "REQUEST_ID_REUSED")
    assert found
    assert told.head() == before


@pytest.mark.parametrize("method", METHODS)
def test_no_attempt_has_touched_what_was_done(told: Told, method: str) -> None:
    """After all of that, the first answer is still the first answer."""
    answered_again(told, method)


@pytest.mark.parametrize("method", METHODS)
def test_what_was_forgotten_is_answered_again(told_long_ago: Told, method: str) -> None:
    """After a start, and with an engine that has forgotten the request and what it was about."""
    answered_again(told_long_ago, method)


@pytest.mark.parametrize("method", METHODS)
def test_what_was_forgotten_is_its_callers(told_long_ago: Told, method: str) -> None:
    """Whoever else sends what the engine has forgotten is told only that the id is taken."""
    request, _ = told_long_ago.of(method)
    assert refused(lambda: told_long_ago.stage.call(method, request, "stranger")).reason == "REQUEST_ID_REUSED"
