"""``make demo``: the leaflets' story on a fresh server, then ten thousand transfers, a power cut, and an audit.

Everything goes through the product's own front door: a real server process on fresh SQLite files, gRPC clients in the
roles of those who call in life, and a journal that the clients keep of whatever they were told. The last line is
``demo: ok``, or the exit code is 1.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import grpc
from rich.table import Table

from ledger.cli.output import amount, console, table
from ledger.rpc.client import Ledger
from protos.esep.v1.account_pb2 import AccountKind
from protos.esep.v1.service_directory_pb2 import Language
from protos.esep.v1.statement_pb2 import TrialBalanceLine
from scripts import demo_audit as audit
from scripts.demo_banks import BANKS, DEPOSIT, open_bank
from scripts.demo_client import answer_of, connect_plainly
from scripts.demo_journal import Journal
from scripts.demo_load import Load, Traffic, settle
from scripts.demo_server import ServerError, ServerProcess
from scripts.provider import Provider
from scripts.scenario_player import Player
from scripts.scenarios import read_scenarios
from scripts.story import paying
from scripts.story.plot import tell
from scripts.story.scene import LANGUAGES, Scene
from scripts.voice import Discrepancy, Voice

TRANSFERS: Final = 10_000
CALLERS: Final = (1, 1, 1, 1, 100, 250)
"""How many transfers each caller sends in one call."""
KILLED_AFTER: Final = 4_000
SEED: Final = 2026
LARGEST: Final = 400_00
ASKED: Final = 300
SCENARIOS: Final = Path(__file__).resolve().parent.parent / "tests" / "conformance" / "authorizations.json"

voice = Voice(console())
out = voice.console
heading, say = voice.heading, voice.say


def main(arguments: Sequence[str] = ()) -> int:
    """Run the demonstration; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.demo", description=__doc__)
    parser.add_argument(
        "--language", choices=LANGUAGES, default="ky", help="of receipts and messages; Kyrgyz by default"
    )
    language = LANGUAGES[parser.parse_args(arguments).language]
    started = time.monotonic()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="esep-demo-", ignore_cleanup_errors=True) as directory,
            Provider() as provider,
            ServerProcess(Path(directory), paying.settings(provider.target)) as server,
        ):
            demonstrate(server, language)
    except grpc.RpcError as error:
        answer = answer_of(error)
        out.print(f"[red]a call failed: {answer.reason}: {answer.message}[/]")
        return 1
    except (Discrepancy, ServerError, TimeoutError) as error:
        out.print(f"[red]{error}[/]")
        return 1
    out.print(f"\nin {time.monotonic() - started:.1f} s")
    sys.stdout.write("demo: ok\n")
    return 0


def demonstrate(server: ServerProcess, language: Language.ValueType) -> None:
    """Show one thing after another; raises Discrepancy at the first that is not as it should be."""
    heading("A server on fresh SQLite files")
    took = timed(server.start)
    say(f"listening and serving after {took:.1f} s")
    with (
        connect_plainly(server.address) as ledger,
        Scene(server.address, server.directory / "confirmation-codes", voice, language) as scene,
    ):
        banks = {name: open_bank(scene.bank(name), scene.operator(), name) for name in BANKS}
        accounts = sum(len(bank.accounts) for bank in banks.values())
        say(f"{accounts} accounts opened at {len(banks)} banks: customers, merchants, settlement, cash, fee income")
        tell(scene, banks)
        play_scenarios(ledger, server)
        opening = {customer: DEPOSIT for bank in banks.values() for customer in bank.customers}
        journal = Journal()
        move_money(ledger, server, journal, list(opening))
        compare(ledger, journal, opening)
        show_books(ledger, journal)
        summarise(scene, journal)
    server.stop()


def play_scenarios(ledger: Ledger, server: ServerProcess) -> None:
    """Play what card processors publish."""
    heading("Scenarios that card processors publish")
    player = Player(ledger, server.clock)
    played = [player.play(scenario) for scenario in read_scenarios(SCENARIOS)]
    for each in played:
        say(f"{'[green]✓[/]' if not each.difference else '[red]✗[/]'} {each.scenario.id:<10} {each.scenario.title}")
    failed = [f"{each.scenario.id}: {each.difference}" for each in played if each.difference]
    if failed:
        raise Discrepancy("\n".join(failed))


def move_money(ledger: Ledger, server: ServerProcess, journal: Journal, customers: Sequence[int]) -> None:
    """Send transfers from several callers, and cut the power in the middle."""
    heading(f"{thousands(TRANSFERS)} transfers, and a power cut")
    traffic = Traffic(customers, SEED, largest=LARGEST)
    started = time.monotonic()
    with Load(lambda: connect_plainly(server.address), journal, traffic, sizes=CALLERS, total=TRANSFERS) as load:
        load.wait_for(KILLED_AFTER)
        server.kill()
        known = len(journal.outcomes)
        say(f"{thousands(known)} acknowledged after {time.monotonic() - started:.1f} s, then [bold]SIGKILL[/]")
        took = timed(server.start)
        say(f"serving again from the same files after {took:.1f} s; the callers go on")
        load.wait()
    if load.failures:
        raise Discrepancy("answers that no ledger should give:\n" + "\n".join(load.failures))
    again = settle(ledger, journal)
    say(f"{thousands(again)} transfers had no answer and were sent again, under the ids that they had")
    say(f"{thousands(len(journal.made))} made, {journal.declined} declined for lack of funds, none without an outcome")


def compare(ledger: Ledger, journal: Journal, opening: dict[int, int]) -> None:
    """Hold the ledger against what the callers were told."""
    heading("The ledger against the callers' own journal")
    sample = random.Random(SEED).sample(list(journal.outcomes), ASKED)  # noqa: S311 - any will do
    positions = audit.reached(journal)
    for title, found in (
        ("no outcome was acknowledged twice and differently", journal.contradictions),
        ("every outcome has a place of its own in the log", audit.shared_positions(journal)),
        ("every request sent again is answered with its first outcome", audit.changed_outcomes(ledger, journal)),
        (f"GetOutcome knows {ASKED} of them, taken at random", audit.forgotten(ledger, journal, sample)),
        ("every balance is what the callers calculate themselves", audit.wrong_balances(ledger, journal, opening)),
        ("every transfer stands once in both statements", audit.wrong_movements(ledger, journal, list(opening))),
        ("the books sum to zero", audit.unbalanced(audit.trial_balance(ledger, positions))),
    ):
        say(f"{'[red]✗[/]' if found else '[green]✓[/]'} {title}")
        if found:
            raise Discrepancy("\n".join(found[:20]))


def show_books(ledger: Ledger, journal: Journal) -> None:
    """Print the trial balance."""
    heading("Trial balance")
    lines = audit.trial_balance(ledger, audit.reached(journal))
    out.print(books_table(lines))


def summarise(scene: Scene, journal: Journal) -> None:
    """Say in a few lines what was shown."""
    heading("All of it")
    calls = ", ".join(f"{count} by {role}" for role, count in scene.calls.most_common())
    say(f"the story: {sum(scene.calls.values())} calls, {calls}; {len(scene.errors)} refused, as it had to be")
    say(f"the traffic: {thousands(len(journal.outcomes))} outcomes, none lost, changed or doubled by the power cut")
    say("every balance was reckoned by the callers themselves, and the books sum to zero")


def books_table(lines: Sequence[TrialBalanceLine]) -> Table:
    """Return the sums of all accounts by kind, and their own sum."""
    grid = table("", "kind", "accounts", "posted, som", right=("accounts", "posted, som"))
    for line in lines:
        kind = AccountKind.Name(line.kind).removeprefix("ACCOUNT_KIND_").lower().replace("_", " ")
        grid.add_row(kind, str(line.account_count), amount(line.posted_tyiyn))
    grid.add_section()
    grid.add_row(
        "sum", str(sum(line.account_count for line in lines)), amount(sum(line.posted_tyiyn for line in lines))
    )
    return grid


def thousands(number: int) -> str:
    """Return a number as people read it."""
    return f"{number:,}".replace(",", " ")


def timed(work: Callable[[], object]) -> float:
    """Do something; return how long it took, in seconds."""
    started = time.monotonic()
    work()
    return time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
