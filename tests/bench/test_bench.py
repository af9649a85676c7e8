"""The benchmarks' own machinery, and every workload once in miniature. Nothing here says how fast anything is."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import pytest

from bench import __main__ as program
from bench import plots, points
from bench.curves import curves
from bench.growth import Sizes, grown
from bench.people import People
from bench.points import Point
from bench.report import Result, line, result
from bench.requests import Ids, Requests
from bench.session import Scale, Session, Workload
from bench.stores import POSTGRESQL, SQLITE, open_store
from bench.windows import Window, alternate, compare, percentile
from bench.workloads import workloads
from domain.ids import parse_uuid, uuid7_time
from domain.money import MAX_AMOUNT

MINIATURE = Scale(rounds=1, accounts=10, batches=1, calls=64)

FIELDS = ["workload", "store", "value", "unit", "against", "against_value", "ratio", "p50_ms", "p99_ms"]

_PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def sqlite_session() -> Iterator[Session]:
    """Give a session in miniature; nothing of it stays behind."""
    with open_store(SQLITE) as store, Session(store, MINIATURE) as session:
        yield session
    assert not store.directory.exists()


def test_windows_alternate() -> None:
    """What is measured and what it stands against take turns, and neighbours are compared with each other."""
    order: list[str] = []

    def measured() -> Window:
        order.append("A")
        return Window(len(order), 1)

    def against() -> Window:
        order.append("B")
        return Window(len(order), 1)

    pairs = alternate(3, measured, against)
    assert order == ["A", "B", "A", "B", "A", "B"]
    assert [(first.operations, second.operations) for first, second in pairs] == [(1, 2), (3, 4), (5, 6)]
    order.clear()
    assert len(alternate(2, measured, against, measured)) == 2
    assert order == ["A", "B", "A", "A", "B", "A"]


def test_ratio_is_the_median_of_the_pairs() -> None:
    """The ratio is not that of the two medians: each window is divided by its own neighbour."""
    pairs = [(Window(100, 1), Window(100, 1)), (Window(300, 1), Window(600, 1)), (Window(200, 1), Window(50, 1))]
    compared = compare(pairs)
    assert (compared.value, compared.against_value, compared.ratio) == (200, 100, 1)


def test_projected_rate_counts_the_time_until_the_projections_caught_up() -> None:
    pairs = [(Window(100, 1, caught_up_seconds=2), Window(100, 4))]
    compared = compare(pairs, lambda window: window.caught_up_rate, lambda window: window.rate)
    assert (compared.value, compared.against_value, compared.ratio) == (50, 25, 2)


def test_percentiles_are_of_every_call_of_what_is_measured() -> None:
    pairs = [
        (Window(50, 1, [float(n) for n in range(1, 51)]), Window(1, 1, [1e6])),
        (Window(51, 1, [float(n) for n in range(51, 102)]), Window(1, 1, [1e6])),
    ]
    compared = compare(pairs)
    assert compared.p50_ms == 51
    assert compared.p99_ms == pytest.approx(101, abs=1)
    assert compare([(Window(1, 1), Window(1, 1))]).p99_ms is None


def test_a_result_is_one_line_of_json() -> None:
    compared = compare([(Window(7, 2, [1.23456]), Window(14, 1))])
    printed = line(result("transfers", "sqlite", "transfers/s", "something", compared))
    assert "\n" not in printed
    assert list(json.loads(printed)) == FIELDS
    assert json.loads(printed) == {
        "workload": "transfers",
        "store": "sqlite",
        "value": 3.5,
        "unit": "transfers/s",
        "against": "something",
        "against_value": 14.0,
        "ratio": 0.25,
        "p50_ms": 1.235,
        "p99_ms": 1.235,
    }


def test_ids_are_time_ordered_and_canonical() -> None:
    ids = Ids()
    made = [parse_uuid(text) for text in (*ids.texts(20_000), *ids.texts(3))]
    assert all(before < after for before, after in pairwise(made))
    assert all(uuid7_time(value) is not None for value in made)


def test_requests_are_the_same_at_every_run_but_for_their_ids() -> None:
    accounts = list(range(1, 6))
    first, second = (Requests(accounts, 7).new_transfers(500) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.request_id != other.request_id
        assert one.debit_account_id != one.credit_account_id
        other.request_id = one.request_id
        assert one == other


def test_every_result_has_one_workload() -> None:
    names = [name for workload in workloads() for name in workload.names]
    assert len(names) == len(set(names))


def test_a_failed_workload_stops_none_of_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reason goes to stderr, the others' results to stdout, and the exit status is 1."""

    def failing(_session: Session) -> Iterator[Result]:
        raise ValueError("no such luck")

    def working(session: Session) -> Iterator[Result]:
        yield result("works", session.store.name, "things/s", "nothing", compare([(Window(1, 1), Window(1, 1))]))

    found = [Workload(("fails",), failing, (SQLITE,)), Workload(("works",), working, (SQLITE,))]
    monkeypatch.setattr(program, "workloads", lambda: found)
    assert program.main([]) == 1
    printed = capsys.readouterr()
    assert json.loads(printed.out)["workload"] == "works"
    assert "FAILED fails on sqlite: ValueError: no such luck" in printed.err


def test_a_refusal_is_told_in_one_line(
    sqlite_session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A workload that the ledger refuses says with which reason, and the server serves the next one."""

    def refused(session: Session) -> Iterator[Result]:
        (request,) = session.ledger.requests().single(1)
        request.transfer.amount_tyiyn = MAX_AMOUNT
        session.ledger.single([request], 1)
        yield from ()

    workload = Workload(("refused",), refused, (SQLITE,))
    monkeypatch.setattr(program, "workloads", lambda: [workload])
    monkeypatch.setattr(program, "open_store", lambda _name: nullcontext(sqlite_session.store))
    monkeypatch.setattr(program, "Session", lambda _store, _scale: nullcontext(sqlite_session))
    assert program.main(["--store", SQLITE]) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("FAILED refused on sqlite: INSUFFICIENT_FUNDS: ")


@pytest.mark.parametrize("name", [each.names[0] for each in workloads() if SQLITE in each.stores and not each.compares])
def test_every_workload_runs_on_sqlite(name: str, sqlite_session: Session) -> None:
    """It yields the results that it names, each of calls that were answered; workloads share a server, as in a run."""
    _run(name, sqlite_session)


def test_who_could_not_join_joins_a_new_ledger(sqlite_session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed half-way is begun anew, so that each workload that needs customers tells the same reason."""
    whole = People.join
    sqlite_session._end_server()

    def half(people: People) -> None:
        whole(people)
        raise ValueError("no such luck")

    monkeypatch.setattr(People, "join", half)
    for _ in range(2):
        with pytest.raises(ValueError, match="no such luck"):
            _ = sqlite_session.people


@pytest.mark.postgres
def test_what_differs_on_postgresql_runs_on_it(postgres_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its reference and its row locks write otherwise than anything on SQLite does."""
    monkeypatch.setenv("ESEP_TEST_DATABASE_URL", postgres_server)
    with open_store(POSTGRESQL) as store, Session(store, MINIATURE) as session:
        _run("transfers_batch_8000", session)
        _run("transfers_batch_8000_vs_row_locks", session)
    assert not store.directory.exists()


def _run(name: str, session: Session) -> None:
    (workload,) = [each for each in workloads() if each.names[0] == name]
    found = list(workload.measure(session))
    assert tuple(each.workload for each in found) == workload.names
    assert all(each.value > 0 and each.ratio > 0 and each.store == session.store.name for each in found)


def test_a_ledger_is_measured_as_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """From an empty database to windows at two sizes: every result is there, and everything is ended."""
    for name, number in (("_STARTS", 1), ("_ROUNDS", 1), ("_CALLS", 32)):
        monkeypatch.setattr(f"bench.growth.{name}", number)
    with open_store(SQLITE) as store:
        found = list(grown(store, Sizes(accounts=300, first=200, early=1, late=2, window=1)))
    results = [each for each in found if isinstance(each, Result)]
    assert {each.curve for each in found if isinstance(each, Point)} == {"history", "memory"}
    assert [each.workload for each in results] == [
        "start_300_accounts",
        "memory_per_account",
        "growth_of_history",
        "growth_random_ids",
        "growth_of_an_account",
    ]
    assert all(each.value > 0 and each.ratio > 0 for each in results if each.workload != "memory_per_account")


def test_percentiles_are_times_of_calls() -> None:
    """The nearest rank: of few calls the 99th percentile is the slowest, of none there is none."""
    assert [percentile([3, 1, 2], share) for share in (0.5, 0.99)] == [2, 3]
    assert percentile([*range(1, 1001)], 0.99) == 990
    assert percentile([], 0.5) is None


def test_curves_are_measured_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each point is a line of JSON; what has points is drawn, the same points to the same bytes."""
    for point in curves(SQLITE, MINIATURE):
        points.tell(point)
    told = capsys.readouterr().out
    assert {json.loads(each)["curve"] for each in told.splitlines()} == {"batch_size", "load", "load_empty"}
    lines = tmp_path / "curves.jsonl"
    lines.write_text(told + line(result("w", SQLITE, "x/s", "y", compare([(Window(1, 1), Window(1, 1))]))) + "\n")
    arguments = [str(lines), "--into", str(tmp_path)]
    assert plots.main(arguments) == 0
    drawn = {path.name: path.read_bytes() for path in tmp_path.glob("*.svg")}
    assert set(drawn) == {"throughput.svg", "latency.svg"}
    assert plots.main(arguments) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.svg")} == drawn
    lines.write_text("")
    assert plots.main(arguments) == 1


def test_the_memory_of_verifying_is_its_own() -> None:
    """What the process had that started it does not count, however much that was."""
    much = 400 << 20
    told = "from scripts.memory import peak_bytes; print(peak_bytes())"
    begun = f"import subprocess, sys; large = b'x' * {much}; subprocess.run([sys.executable, '-c', {told!r}])"
    done = subprocess.run([sys.executable, "-c", begun], check=True, capture_output=True, text=True, cwd=_PROJECT)
    assert 0 < int(done.stdout) < much
