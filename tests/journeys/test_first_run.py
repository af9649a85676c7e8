"""The first minute with the product."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from protos.esep.v1 import account_pb2
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.service_directory_pb2 import LANGUAGE_KY, LANGUAGE_RU, Language
from protos.esep.v1.service_directory_service_pb2 import ListServicesRequest
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest
from scripts import audit_demo, demo
from scripts.demo_client import connect_plainly
from scripts.demo_server import ROOT, ServerProcess
from scripts.story import joining
from scripts.story.scene import Scene, expect
from scripts.tampering import OLD_BACKUP
from scripts.voice import Discrepancy, Voice
from tests.journeys.search import Secrets, lines
from tests.serving import CALL_SECONDS, open_account, transfer


def test_a_server_answers_questions_from_the_moment_it_serves(tmp_path: Path) -> None:
    """Whoever has written right after the start can read it back, though the tables are only being made."""
    with ServerProcess(tmp_path) as server:
        server.start()
        with connect_plainly(server.address) as ledger:
            customer = open_account(ledger, account_pb2.ACCOUNT_KIND_CUSTOMER)
            cash = open_account(ledger, account_pb2.ACCOUNT_KIND_CASH)
            position = LogPosition(position=transfer(ledger, cash, customer, 150))
            request = GetBalanceRequest(account_id=customer, min_position=position)
            answer = ledger.statements.GetBalance(request, timeout=CALL_SECONDS)
            assert answer.balance.available_tyiyn == 150
        assert server.stop() == 0


HEADINGS = (
    "A server on fresh SQLite files",
    "Айзада joins: ",
    "Айзада pays her lunch by QR code",
    "Айзада sends money to Бакыт, ",
    "Айзада pays for services",
    "Elcart Pay: ",
    "Payday: ",
    "An operator blocks the card, ",
    "Scenarios that card processors publish",
    "10 000 transfers, and a power cut",
    "The ledger against the callers' own journal",
    "Trial balance",
    "All of it",
)


@pytest.mark.slow
def test_the_demonstration_ends_well() -> None:
    """``make demo`` tells its story, kills, recovers and compares; its last line says so; nothing secret is in it."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.demo"], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    said = done.stdout.splitlines()
    assert said[-1:] == ["demo: ok"], done.stdout + done.stderr
    assert done.returncode == 0
    told = [next((heading for heading in HEADINGS if line.startswith(heading)), "") for line in said]
    assert [heading for heading in told if heading] == list(HEADINGS)
    assert "\x1b" not in done.stdout, "colours are for terminals"
    assert Secrets(()).found(lines("the demonstration", done.stdout + done.stderr)) == []


@pytest.mark.slow
def test_the_auditors_demonstration_ends_well() -> None:
    """``make audit-demo`` exports, verifies, catches eight forgers, erases and verifies; its last line says so."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.audit_demo"], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )
    said = done.stdout.splitlines()
    assert said[-1:] == ["audit: ok"], done.stdout + done.stderr
    assert done.returncode == 0
    assert [line.split()[1] for line in said if re.match(r"  ✓ \d\. ", line)] == [
        f"{number}." for number in range(1, 9)
    ]
    assert said.count("  Everything is as it must be.") == 2
    assert "  the key is destroyed; the name now reads [erased]" in said


def test_a_forgery_that_is_not_found_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verifier that finds nothing, or something elsewhere, ends the demonstration."""
    monkeypatch.setattr(audit_demo, "voice", Voice.unheard())
    finding = {"check": OLD_BACKUP.check, "position": 7, "message": "there"}
    audit_demo.show(1, OLD_BACKUP, 7, {"findings": [finding]})
    with pytest.raises(Discrepancy, match="not detected at position 8"):
        audit_demo.show(1, OLD_BACKUP, 8, {"findings": [finding]})
    with pytest.raises(Discrepancy, match="not detected"):
        audit_demo.show(1, OLD_BACKUP, 0, {"findings": []})


def test_the_demonstration_ends_badly_when_something_differs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code tells, and what differed is the last that is said."""

    def differs(*_: object) -> None:
        expect("what is left", 2, 3)

    monkeypatch.setattr(demo, "demonstrate", differs)
    assert demo.main() == 1
    assert capsys.readouterr().out.splitlines()[-1:] == ["what is left is 2, must be 3"]


@pytest.mark.parametrize(("arguments", "language"), [((), LANGUAGE_KY), (("--language", "ru"), LANGUAGE_RU)])
def test_the_demonstration_speaks_the_language_that_is_asked_for(
    arguments: tuple[str, ...], language: Language.ValueType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kyrgyz unless something else is asked for, as by ``make demo LANGUAGE=ru``."""
    asked: list[object] = []
    monkeypatch.setattr(demo, "demonstrate", lambda _, spoken: asked.append(spoken))
    assert demo.main(arguments) == 0
    assert asked == [language]


def test_the_story_refuses_another_outcome_than_its_own(tmp_path: Path) -> None:
    """What is accepted though it must be refused, or refused for another reason, ends the story."""
    with ServerProcess(tmp_path) as server:
        server.start()
        with Scene(server.address, tmp_path / "confirmation-codes", Voice.unheard()) as scene:
            bank, request = scene.bank("ala-too"), GetBalanceRequest(account_id=417)
            with pytest.raises(Discrepancy, match="'PERMISSION_DENIED', must be 'CARD_BLOCKED'"):
                scene.refused(bank.statements.GetBalance, request, "CARD_BLOCKED")
            with pytest.raises(Discrepancy, match="accepted, but must be refused with CARD_BLOCKED"):
                scene.refused(bank.directory.ListServices, ListServicesRequest(), "CARD_BLOCKED")
        server.stop()


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("7,52", "Картанын ээсин текшерүү"),
        ("7,52", "Проверка владельца карты"),
        ("7.52", "Verifying the card's holder"),
    ],
)
def test_a_held_amount_is_read_off_the_paper(amount: str, words: str) -> None:
    """The line above the leaflet's words for verifying a cardholder; without one, nothing is made up."""
    paper = [
        f"22.11.2026 08:24                    {amount}",
        words,
        "Бөгөт коюлган сумма                 9,99",
    ]
    assert joining.held_amount(paper) == 752
    with pytest.raises(Discrepancy):
        joining.held_amount(paper[::2])
