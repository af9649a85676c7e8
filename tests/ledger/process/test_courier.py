"""The courier and its partitions: money crosses once, whoever dies on the way."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from domain.crossing import TransferCompleted, TransferReceived, TransferRejected, TransferReturned, TransferSent
from domain.ids import account_id
from domain.transfer import CreateTransfer
from ledger.engine.tickets import Accepted, Repeated
from tests.ledger.process.harbour import (
    AMOUNT,
    CLOSED,
    FUNDS,
    PAYEE,
    PAYER,
    STEPS,
    Figures,
    Harbour,
)

ROOT = Path(__file__).resolve().parents[3]


def test_money_crosses_and_comes_back(store_url: str) -> None:
    """A payee is paid by another partition; what a closed account is sent comes back; all of it once."""
    with Harbour(store_url) as harbour:
        harbour.found()
        assert isinstance(harbour.send(PAYEE), Accepted)
        assert isinstance(harbour.send(PAYEE), Repeated)
        assert isinstance(harbour.send(CLOSED, harbour.ids.recent()), Accepted)
        back = CreateTransfer(harbour.ids.recent(), account_id(1, PAYEE), account_id(0, PAYER), 50)
        assert isinstance(harbour.ask(1, back), Accepted)
        harbour.arrived()
    figures = Figures(store_url)
    kinds = (TransferSent, TransferReceived, TransferRejected, TransferCompleted, TransferReturned)
    assert [figures.count(kind) for kind in kinds] == [3, 2, 1, 2, 1]
    assert figures.posted[account_id(0, PAYER)] == FUNDS - AMOUNT + 50
    assert figures.posted[account_id(1, PAYEE)] == FUNDS + AMOUNT - 50
    assert figures.clearing == 0


def test_many_cross_at_once_in_both_directions(store_url: str) -> None:
    """More than the courier takes in hand at a time arrive all the same, and sums are kept."""
    with Harbour(store_url) as harbour:
        harbour.found()
        for courier in harbour.partitions.couriers.values():
            courier._most = 7
        for home in (0, 1):
            for _ in range(60):
                there = account_id(1 - home, PAYEE)
                harbour.ask(home, CreateTransfer(harbour.ids.recent(), account_id(home, PAYER), there, 1))
        harbour.arrived()
    figures = Figures(store_url)
    assert figures.count(TransferReceived) == figures.count(TransferCompleted) == 120
    assert figures.posted[account_id(0, PAYER)] == figures.posted[account_id(1, PAYEE)] == FUNDS


@pytest.mark.parametrize("payee", [PAYEE, CLOSED], ids=["paid", "refused"])
@pytest.mark.parametrize("step", STEPS)
def test_a_crossing_survives_a_death_at_any_step(step: str, payee: int, tmp_path: Path) -> None:
    """Killed at any step, the ledger shows the money in transit, and the next process ends it once."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    died = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "tests.ledger.process.harbour", url, step, str(payee)],
        cwd=ROOT,
        check=False,
        timeout=120,
    )
    assert died.returncode == -signal.SIGKILL
    figures = Figures(url)
    assert figures.count(TransferSent) == 1
    back = figures.count(TransferReturned)
    assert figures.clearing == figures.under_way - back * AMOUNT

    with Harbour(url) as harbour:
        harbour.arrived()
    figures = Figures(url)
    assert figures.clearing == 0
    paid = payee == PAYEE
    assert (figures.count(TransferReceived), figures.count(TransferCompleted)) == (paid, paid)
    assert (figures.count(TransferRejected), figures.count(TransferReturned)) == (not paid, not paid)
    assert figures.posted[account_id(0, PAYER)] == FUNDS - AMOUNT * paid
    assert figures.posted[account_id(1, PAYEE)] == FUNDS + AMOUNT * paid


def test_a_courier_waits_for_a_partition_that_nobody_owns(tmp_path: Path) -> None:
    """What cannot be delivered stays in transit, visibly, and arrives once the partition has an owner."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    with Harbour(url) as harbour:
        harbour.found()
    with Harbour(url, owned=(0,)) as harbour:
        harbour.send(PAYEE)
        assert [each.amount for each in harbour.partitions.engines[0].in_transit().values()] == [AMOUNT]
    assert Figures(url).clearing == AMOUNT
    with Harbour(url) as harbour:
        harbour.arrived()
    assert Figures(url).clearing == 0
