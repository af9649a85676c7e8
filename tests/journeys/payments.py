"""A server, a provider that behaves as told, two banks and a payer: what the journeys of payments share.

Import the fixtures where they are used.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from protos.esep.v1 import payment_pb2, payment_service_pb2
from scripts.demo_client import connect_plainly
from scripts.demo_server import ServerProcess
from scripts.provider import Behaviour, Provider
from tests.paying import FUNDS, Scheme
from tests.people import Person
from tests.waiting import eventually

DELIVERED = payment_service_pb2.PAYMENT_ANSWER_DELIVERED
REFUSED = payment_service_pb2.PAYMENT_ANSWER_REFUSED
SUCCEEDED = payment_pb2.PAYMENT_STATE_SUCCEEDED
FAILED = payment_pb2.PAYMENT_STATE_FAILED
UNRESOLVED = payment_pb2.PAYMENT_STATE_UNRESOLVED
PROCESSING = payment_pb2.PAYMENT_STATE_PROCESSING
PREPARED = payment_pb2.PAYMENT_STATE_PREPARED
BY_PROVIDER = payment_pb2.PAYMENT_DECIDER_PROVIDER
BY_OPERATOR = payment_pb2.PAYMENT_DECIDER_OPERATOR
PATIENCE = 20.0
SILENCE = 0.4
"""For how long the module's provider says nothing before it hangs up; the ledger itself would wait for much longer."""


def server_with(directory: Path, provider: Provider, **settings: str) -> ServerProcess:
    """Return a server that asks a provider, waits patiently for it, and soon asks again; not started."""
    given = {
        "ESEP_PROVIDERS": json.dumps({"*": {"target": provider.target}}),
        "ESEP_PROVIDER_TIMEOUT_SECONDS": f"{PATIENCE}",
        "ESEP_PROVIDER_PATIENCE_SECONDS": "2",
        "ESEP_PROVIDER_POLL_SECONDS": "0.1",
        **settings,
    }
    directory.mkdir(parents=True, exist_ok=True)
    return ServerProcess(directory, given)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """Give a provider for the tests of the module; each says how it behaves."""
    with Provider(hangs_up_after=SILENCE) as serving:
        yield serving


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory of the module's server."""
    return tmp_path_factory.mktemp("payments")


@pytest.fixture(scope="module")
def patience() -> float:
    """Give for how long a confirmation waits for the provider: as long as it takes, where nobody is silent."""
    return PATIENCE / 2


@pytest.fixture(scope="module")
def server(directory: Path, provider: Provider, patience: float) -> Iterator[ServerProcess]:
    """Give a server that asks the module's provider."""
    with server_with(directory, provider, ESEP_PROVIDER_PATIENCE_SECONDS=f"{patience}") as process:
        process.start()
        yield process
        process.stop()


@pytest.fixture(scope="module")
def scheme(directory: Path, server: ServerProcess) -> Iterator[Scheme]:
    """Give two banks with payees."""
    with connect_plainly(server.address) as ledger:
        yield Scheme(ledger, directory / "confirmation-codes")


@pytest.fixture(scope="module")
def payer(scheme: Scheme) -> Person:
    """Give somebody with a bound card and 10,000 som, who is never paid from twice in one test's figures."""
    return scheme.payer(funds=100 * FUNDS)


@pytest.fixture(autouse=True)
def delivers(provider: Provider) -> None:
    """Begin each test with a provider that delivers."""
    provider.behaviour = Behaviour.DELIVERS


def ends(scheme: Scheme, payment_id: str, state: payment_pb2.PaymentState.ValueType) -> payment_pb2.Payment:
    """Wait until a payment stands so; return it."""
    eventually(lambda: scheme.get(payment_id).state == state)
    return scheme.get(payment_id)


class Figures:
    """What accounts had, to tell what came and went since."""

    def __init__(self, scheme: Scheme, *accounts: int) -> None:
        self._scheme = scheme
        self._before = {account: scheme.figures(account) for account in accounts}

    def moved(self) -> list[tuple[int, int]]:
        """Return by how much posted and held have changed, account by account."""
        return [
            (after[0] - before[0], after[1] - before[1])
            for account, before in self._before.items()
            for after in [self._scheme.figures(account)]
        ]


def figures(scheme: Scheme, payer: Person, payee: str) -> Figures:
    """Return what payer and payee have."""
    return Figures(scheme, payer.account_id, scheme.payees[payee].account_id)
