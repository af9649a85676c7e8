"""A server, and people who pay at it: what the journeys of Elcart Pay begin with."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import authorization_pb2, token_pb2
from protos.esep.v1 import authorization_service_pb2 as holds
from protos.esep.v1 import statement_service_pb2 as statements
from scripts.demo_client import connect_plainly
from scripts.demo_server import ServerProcess
from scripts.device import Terminal
from tests.holder import Holder
from tests.rpc.world import Refusal, refused

DAY = 86_400
ISSUER, WALLET = token_pb2.TOKEN_ACTOR_ISSUER, token_pb2.TOKEN_ACTOR_WALLET
CARDHOLDER, DEVICE_LOCK = token_pb2.TOKEN_ACTOR_CARDHOLDER, token_pb2.TOKEN_ACTOR_DEVICE_LOCK
ACTIVE, SUSPENDED = token_pb2.TOKEN_STATE_ACTIVE, token_pb2.TOKEN_STATE_SUSPENDED
DEACTIVATED = token_pb2.TOKEN_STATE_DEACTIVATED


class Shop:
    """A server, and people who pay at it; everything that was told to one of them alone is remembered."""

    def __init__(self, directory: Path, server: ServerProcess, ledger: Any) -> None:
        self.directory = directory
        self.server = server
        self.ledger = ledger
        self._holders: list[Holder] = []

    def newcomer(self) -> Holder:
        """Return somebody of whom the ledger has never heard."""
        holder = Holder(self.ledger, self.directory / "confirmation-codes")
        holder.phone.here = Terminal(now=self.server.clock.now)
        self._holders.append(holder)
        return holder

    def ready(self) -> Holder:
        """Return somebody whose phone pays."""
        return self.newcomer().ready()

    @property
    def secrets(self) -> set[str]:
        return {secret for holder in self._holders for secret in holder.secrets}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    directory = tmp_path_factory.mktemp("tokens")
    with ServerProcess(directory, {"ESEP_LOG_FORMAT": "json", "ESEP_TOKEN_KEY_USES": "20"}) as server:
        server._said = deque()  # All of it is searched at the end.
        server.start()
        with connect_plainly(server.address) as ledger:
            yield Shop(directory, server, ledger)
        server.stop()


def available(holder: Holder) -> int:
    """Return what may be spent from the account."""
    account = accounts.GetAccountRequest(account_id=holder.account_id)
    head = holder.call(holder.ledger.accounts.GetAccount, account).position
    request = statements.GetBalanceRequest(account_id=holder.account_id, min_position=head)
    balance = holder.call(holder.ledger.statements.GetBalance, request).balance
    return int(balance.available_tyiyn)


def declined(holder: Holder, amount: int = 100, **fields: Any) -> Refusal:
    """Tap, and return with what the payment is refused."""
    return refused(lambda: holder.pay(amount, **fields))


def authorization(holder: Holder, authorization_id: str) -> authorization_pb2.Authorization:
    request = holds.GetAuthorizationRequest(authorization_id=authorization_id)
    found: authorization_pb2.Authorization = holder.call(
        holder.ledger.authorizations.GetAuthorization, request
    ).authorization
    return found
