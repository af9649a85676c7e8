"""Somebody with everything is erased, and everything there is is asked: nothing tells any more who it was."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from protos.esep.v1 import audit_service_pb2 as audit
from protos.esep.v1 import customer_pb2
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.customer_service_pb2 import GetCustomerRequest
from scripts.demo_server import ServerProcess
from scripts.provider import BENEFICIARY, Provider
from tests.journeys.erasing import DEVICE, READS, Question, Somebody, Told, files_of, holding
from tests.journeys.payments import server_with
from tests.ledger.audit.checker import check_consistency, check_inclusion
from tests.rpc.world import refused, transfer

pytestmark = pytest.mark.slow

ERASED = (b"[erased]", b"%5Berased%5D")
"""As it stands in a text, and in a link."""
GONE = {"CUSTOMER_NOT_FOUND", "PERMISSION_DENIED"}
"""With what a question is refused that names an erased customer by what they were called: a bank learns no more."""
EMPTIED = {"/esep.v1.AliasService/ListAliases"}
"""Methods that list nothing of somebody erased: a number that leads nowhere is nobody's any more."""


class Erasure:
    """A customer before and after the erasure, and the files of the server."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.somebody = Somebody(server)
        self.before = self.somebody.asked()
        self.keys = wrapped_keys(server.directory, self.somebody.ana.customer_id)
        self.money_before = money(self.somebody)
        self.history_before = history(server.directory)
        self.checkpoint_before = checkpoint(self.somebody)
        self.vault_before = backup(server.directory / "vault.db")
        self.erased = self.somebody.erase()

    @property
    def personal(self) -> set[str]:
        """What tells who it was: also whom the customer paid for, which only the customer knew."""
        return self.somebody.personal | {BENEFICIARY}

    def leaks(self, told: dict[int, tuple[Question, Told]]) -> set[tuple[str, str, str]]:
        """Return who is told which personal text by which method."""
        return {
            (question.who, question.method, text)
            for question, answer in told.values()
            for text in self.personal | self.somebody.secret | ({DEVICE} - in_history(question))
            if text.encode() in answer.content
        }

    def check(self) -> None:
        """Ask everything again: nobody is told anything personal, and nothing fails that did not."""
        after = self.somebody.asked()
        assert self.leaks(after) == set()
        assert self.leaks(self.somebody.repeated()) == set()
        assert failed(self.before, after) == []
        unsaid = [
            (question.who, question.method)
            for place, (question, answer) in self.before.items()
            if any(text.encode() in answer.content for text in self.personal)
            and not by_name(question)
            and question.method not in EMPTIED
            and not any(word in after[place][1].content for word in ERASED)
        ]
        assert unsaid == []

    def restore(self) -> None:
        """Put the vault of before the erasure in the place of the one there is; the server does not run."""
        vault = self.server.directory / "vault.db"
        for left in vault.parent.glob("vault.db*"):
            left.unlink()
        shutil.copy(self.vault_before, vault)


def wrapped_keys(directory: Path, customer_id: str) -> set[bytes]:
    """Return a customer's wrapped key as the vault keeps it."""
    with closing(sqlite3.connect(directory / "vault.db")) as vault:
        sql = "SELECT wrapped FROM vault_keys WHERE customer_id = ?"
        return {bytes(wrapped) for (wrapped,) in vault.execute(sql, (bytes.fromhex(customer_id.replace("-", "")),))}


def backup(vault: Path) -> Path:
    """Copy a vault as the documentation says; return the copy."""
    copy = vault.parent.parent / f"{vault.parent.name}.backup" / vault.name
    copy.parent.mkdir()
    with closing(sqlite3.connect(vault)) as live, closing(sqlite3.connect(copy)) as kept:
        live.backup(kept)
    return copy


def failed(
    before: dict[int, tuple[Question, Told]], after: dict[int, tuple[Question, Told]]
) -> list[tuple[str, str, str]]:
    """Return what was answered before and is not any more, for another reason than that nobody is called so now."""
    return [
        (question.who, question.method, answer.reason)
        for place, (question, answer) in after.items()
        if answer.reason and not before[place][1].reason and not (by_name(question) and answer.reason in GONE)
    ]


def in_history(question: Question) -> set[str]:
    """Return what the events hold in clear for ever, where a method tells the events as they are."""
    _, service, name = question.method.split("/")
    as_they_are = service.endswith("AuditService") and name != "GetCardAsOf"
    return {DEVICE} if as_they_are else set()


def by_name(question: Question) -> bool:
    """Tell whether a question names the customer by login or telephone number."""
    asked: Any = question.request
    return isinstance(asked, GetCustomerRequest) and asked.WhichOneof("customer") != "customer_id"


def money(somebody: Somebody) -> list[Any]:
    """Return every balance and the trial balance, without what they reflect."""
    accounts = [somebody.ana.account_id, somebody.ana.merchant, somebody.bek.account_id, somebody.scheme.cash]
    balances = statements.BatchGetBalancesRequest(account_ids=accounts, min_position=somebody.last_position)
    trial = statements.GetTrialBalanceRequest(min_position=somebody.last_position)
    found = somebody.call("statements", "BatchGetBalances", balances).balances
    figures = [(each.account_id, each.posted_tyiyn, each.held_tyiyn, each.available_tyiyn) for each in found]
    lines = somebody.call("statements", "GetTrialBalance", trial).lines
    return [figures, sorted(line.SerializeToString() for line in lines)]


def history(directory: Path) -> list[tuple[Any, ...]]:
    """Return every event as it stands in the log's file: position, topic and aggregate first."""
    with closing(sqlite3.connect(directory / "log.db")) as log:
        return log.execute(
            "SELECT position, topic, originator_id, originator_version, state, recorded_at, request_id, caller"
            " FROM events ORDER BY position"
        ).fetchall()


def checkpoint(somebody: Somebody) -> Any:
    """Return the ledger's newest checkpoint."""
    return somebody.call("audit", "GetCheckpoint", audit.GetCheckpointRequest()).checkpoint


def command(server: ServerProcess, *words: str) -> dict[str, Any]:
    """Run a command beside the server; return what it says."""
    run = [sys.executable, "-m", "ledger.cli", *words, "--json"]
    done = subprocess.run(run, env=server.environment, check=True, capture_output=True)
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.fixture(scope="module")
def erasure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erasure]:
    """Give a customer with everything, just erased; the tests of this module follow one another."""
    directory = tmp_path_factory.mktemp("erasure") / "data"
    with Provider() as provider, server_with(directory, provider, ESEP_LOG_FORMAT="json") as server:
        server._said = deque()  # All of it is searched.
        server.start()
        made = Erasure(server)
        yield made
        made.somebody.close()
        server.stop()


def test_there_is_much_to_be_erased(erasure: Erasure) -> None:
    """Before the erasure every personal text was told by some method: what follows would notice it."""
    told = {text for _, _, text in erasure.leaks(erasure.before)}
    assert told == erasure.personal | {DEVICE}
    methods = {question.method for question, _ in erasure.before.values()}
    assert methods == READS


def test_an_auditor_never_knew(erasure: Erasure) -> None:
    """Of all there is to read, an auditor was told nothing that tells of a person, before the erasure either."""
    told = {(method, text) for who, method, text in erasure.leaks(erasure.before) if who == "auditor"}
    assert {each for each in told if each[1] != DEVICE} == set()


def test_nothing_tells_who_it_was(erasure: Erasure) -> None:
    """Every read, in every role, and every request sent again: ``[erased]``, and never an error."""
    assert erasure.erased.state == customer_pb2.CUSTOMER_STATE_ERASED
    assert (erasure.erased.login, erasure.erased.full_name) == ("[erased]", "[erased]")
    erasure.check()


def test_no_file_holds_it(erasure: Erasure) -> None:
    """Neither text nor key stands in any file of the server, whether in use, free or waiting to be carried over."""
    files = files_of(erasure.server.directory)
    assert {"log.db", "vault.db"} <= files.keys()
    assert any("projections" in name for name in files)
    assert erasure.keys
    assert holding(files, erasure.keys) == set()
    assert holding(files, erasure.personal | erasure.somebody.secret) == set()
    assert holding({"backup": erasure.vault_before.read_bytes()}, erasure.keys)
    said = {"said": erasure.server.said.encode()}
    assert holding(said, erasure.personal) == set()


def test_the_money_and_its_history_stay_as_they_were(erasure: Erasure) -> None:
    """Balances and trial balance are the same, every earlier event is the same to the byte, and proofs still hold."""
    somebody = erasure.somebody
    assert money(somebody) == erasure.money_before
    events = history(erasure.server.directory)
    assert events[: len(erasure.history_before)] == erasure.history_before
    old, new = erasure.checkpoint_before, checkpoint(somebody)
    proving = audit.ProveConsistencyRequest(old_tree_size=old.tree.position, new_tree_size=new.tree.position)
    hashes = somebody.call("audit", "ProveConsistency", proving).hashes
    check_consistency(old.tree.position, old.root_hash, new.tree.position, new.root_hash, hashes)
    registered = next(
        position
        for position, topic, originator, *_ in events
        if topic == "customer.registered.v1" and str(UUID(bytes=originator)) == somebody.ana.customer_id
    )
    including = audit.ProveInclusionRequest(event=LogPosition(position=registered), tree_size=new.tree.position)
    proof = somebody.call("audit", "ProveInclusion", including)
    leaf = sha256(b"\0" + proof.leaf).digest()
    check_inclusion(leaf, registered - 1, new.tree.position, proof.hashes, new.root_hash)
    assert command(erasure.server, "check") == {"ok": True, "differences": []}


def test_tables_made_again_tell_no_more(erasure: Erasure) -> None:
    """After a rebuild of the projections beside the running server everything is told as before it."""
    command(erasure.server, "rebuild")
    assert money(erasure.somebody) == erasure.money_before
    erasure.check()


def test_a_replay_from_the_beginning_comes_to_the_same(erasure: Erasure) -> None:
    """Started without any snapshot, the server folds all events anew: same figures, same silence, same funds."""
    erasure.server.stop()
    log = erasure.server.directory / "log.db"
    with closing(sqlite3.connect(log)) as connection:
        assert connection.execute("DELETE FROM snapshots").rowcount
        connection.commit()
    erasure.server.start()
    assert money(erasure.somebody) == erasure.money_before
    ana, cash = erasure.somebody.ana, erasure.somebody.scheme.cash
    available = next(figures[3] for figures in erasure.money_before[0] if figures[0] == ana.account_id)
    spending = transfer(ana.account_id, cash, available, validate_only=True)
    assert erasure.somebody.call("transfers", "CreateTransfer", spending).transfer.amount_tyiyn == available
    spending.transfer.amount_tyiyn += 1
    over = refused(lambda: erasure.somebody.call("transfers", "CreateTransfer", spending))
    assert over.reason == "INSUFFICIENT_FUNDS"
    erasure.check()
    assert (
        holding(files_of(erasure.server.directory), erasure.keys | {each.encode() for each in erasure.personal})
        == set()
    )


def test_a_restored_vault_forgets_again_when_the_server_starts(erasure: Erasure) -> None:
    """A backup from before the erasure brings the key back; the server destroys it before anybody can ask."""
    erasure.server.stop()
    erasure.restore()
    assert wrapped_keys(erasure.server.directory, erasure.somebody.ana.customer_id) == erasure.keys
    erasure.server.start()
    assert wrapped_keys(erasure.server.directory, erasure.somebody.ana.customer_id) == {b""}
    assert holding(files_of(erasure.server.directory), erasure.keys) == set()
    erasure.check()
    assert command(erasure.server, "forget") == {"ok": True, "erased": 1, "destroyed": 0}


def test_a_restored_vault_forgets_again_by_the_command(erasure: Erasure) -> None:
    """Without a server ``esep forget`` does the same, and says how many keys had come back."""
    erasure.server.stop()
    erasure.restore()
    assert command(erasure.server, "forget") == {"ok": True, "erased": 1, "destroyed": 1}
    assert holding(files_of(erasure.server.directory), erasure.keys) == set()
    erasure.server.start()
    erasure.check()


def test_the_log_has_the_last_word_over_a_key_that_is_back(erasure: Erasure) -> None:
    """Even while a restored key lies in the vault of a running server, nobody is told what it would open."""
    with (
        closing(sqlite3.connect(erasure.server.directory / "vault.db")) as vault,
        closing(sqlite3.connect(erasure.vault_before)) as before,
    ):
        of = (bytes.fromhex(erasure.somebody.ana.customer_id.replace("-", "")),)
        row = before.execute("SELECT * FROM vault_keys WHERE customer_id = ?", of).fetchone()
        vault.execute("REPLACE INTO vault_keys VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        vault.commit()
    assert wrapped_keys(erasure.server.directory, erasure.somebody.ana.customer_id) == erasure.keys
    erasure.check()
