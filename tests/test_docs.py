"""The documentation, held to what it says: its examples run, its links lead somewhere, its names exist.

Every ```python block is executed, page by page, against a server of that page's own on fresh SQLite files; blocks of
a page share their names. ``<!-- begins with: other.md -->`` runs the blocks of another page first, and
``<!-- not run: reason -->`` leaves the next block out. A line ``print(…)  # text`` must print that text. An ```sh block
marked ``<!-- run -->`` is executed in the checkout, one marked ``<!-- run: in your own place -->`` where the page's
Python is; a block marked ``<!-- output -->`` after it is what it prints,
``…`` standing for anything. ``127.0.0.1:50051`` stands for the server's address.
"""

import codeop
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc
import pytest
from google.protobuf.descriptor import FileDescriptor

from domain.refusals import Reason
from domain.topics import EVENTS
from ledger.cli.app import app
from ledger.settings import Settings
from protos.esep.v1 import (
    account_service_pb2,
    adjustment_service_pb2,
    alias_service_pb2,
    audit_service_pb2,
    authorization_service_pb2,
    bulk_service_pb2,
    card_binding_service_pb2,
    card_service_pb2,
    credit_service_pb2,
    customer_service_pb2,
    notification_service_pb2,
    participant_service_pb2,
    payee_service_pb2,
    payment_service_pb2,
    provider_service_pb2,
    qr_service_pb2,
    quote_service_pb2,
    receipt_service_pb2,
    rules_service_pb2,
    service_directory_service_pb2,
    statement_service_pb2,
    token_payment_service_pb2,
    token_service_pb2,
    transfer_service_pb2,
)
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_service_pb2 import GetTrialBalanceRequest
from scripts.demo_client import connect_plainly
from scripts.demo_server import ServerProcess

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
ADDRESS: Final = "127.0.0.1:50051"
SECONDS: Final = 120.0
SHELL_SECONDS: Final = 300.0
"""A block starts several programs one after another, on a machine that may have much else to do."""
OWN_PLACE: Final = "in your own place"
STARTING_AT_ONCE: Final = 2
CONTRACT: Final = tuple(
    module.DESCRIPTOR
    for module in (
        account_service_pb2,
        rules_service_pb2,
        participant_service_pb2,
        adjustment_service_pb2,
        alias_service_pb2,
        audit_service_pb2,
        qr_service_pb2,
        quote_service_pb2,
        authorization_service_pb2,
        bulk_service_pb2,
        service_directory_service_pb2,
        card_binding_service_pb2,
        card_service_pb2,
        credit_service_pb2,
        customer_service_pb2,
        notification_service_pb2,
        payee_service_pb2,
        payment_service_pb2,
        provider_service_pb2,
        receipt_service_pb2,
        statement_service_pb2,
        token_payment_service_pb2,
        token_service_pb2,
        transfer_service_pb2,
    )
)

OTHER_NAMES: Final = frozenset(
    {
        "ESEP_CLIENT_CA_FILE",  # these four are the command line's
        "ESEP_CLIENT_CERTIFICATE_FILE",
        "ESEP_CLIENT_KEY_FILE",
        "ESEP_CLIENT_TOKEN_FILE",
        "ESEP_CONFIG",  # names the file of settings
        "ESEP_TEST_DATABASE_URL",  # read by tests and benchmarks
        "NO_CHECKPOINT",  # this and the next one are the archive command's reasons
        "SEGMENT_MISSING",
        "HISTORY_DIFFERS",  # this and the next but one are reasons of the command line's own
        "NOT_SERVING",  # grpc.health.v1
        "OTHER_LEDGER",
        "PERSISTENCE_MODULE",  # the eventsourcing library's
        "SERVICE_CONFIG",  # ledger.rpc.client
    }
)
"""Names in capitals that are neither a reason, nor a status code, nor a setting, nor a value of an enum."""

_FENCE = re.compile(r"^(```+)(\w*)\s*$")
_DIRECTIVE = re.compile(r"^<!-- (begins with|not run|run|output)(?:: (.+?))? -->$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CAPITALS = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_TOPIC = re.compile(r"[a-z_]+\.[a-z_]+\.v\d+")
_METHOD = re.compile(r"([A-Z]\w*Service)\.([A-Z]\w+)")
_EXPECTED = re.compile(r"\bprint\(.*\)  # (.+)$")


class Block(NamedTuple):
    """A fenced block: where its first line stands (from 1), its language, the directive before it and its remark."""

    page: Path
    line: int
    language: str
    text: str
    directive: str
    remark: str = ""


class Example(NamedTuple):
    """What a page's examples run with: a server, and the directory that they are in."""

    server: ServerProcess
    directory: Path


def blocks(page: Path) -> Iterator[Block]:
    """Yield a page's blocks; a directive stands on the last line before the fence that is not empty."""
    fence, language, start, directive, remark, before = "", "", 0, "", "", ""
    lines = page.read_text("utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        found = _FENCE.match(line)
        if not fence and found:
            fence, language, start = found[1], found[2], number + 1
            marked = _DIRECTIVE.match(before)
            directive, remark = (marked[1], marked[2] or "") if marked else ("", "")
        elif fence and line == fence:
            yield Block(page, start, language, "\n".join(lines[start - 1 : number - 1]) + "\n", directive, remark)
            fence, before = "", ""
        elif not fence and line.strip():
            before = line.strip()
    assert not fence, f"{page}: the block that begins on line {start} does not end"


def examples(page: Path) -> list[Block]:
    """Return what is executed of a page, the page that it begins with first, and what is shown of its output."""
    found: list[Block] = []
    for line in prose(page):
        marked = _DIRECTIVE.match(line.strip())
        if marked and marked[1] == "begins with":
            found += examples(page.parent / str(marked[2]))
    for block in blocks(page):
        if (block.language == "python" and block.directive != "not run") or block.directive in {"run", "output"}:
            found.append(block)
    return found


def prose(page: Path) -> list[str]:
    """Return a page's lines outside of blocks."""
    inside, lines = False, []
    for line in page.read_text("utf-8").splitlines():
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            lines.append(line)
    return lines


WITH_EXAMPLES: Final = [page for page in PAGES if examples(page)]


def spans(page: Path) -> set[str]:
    """Return what stands in backticks in a page's prose."""
    return {span for line in prose(page) for span in re.findall(r"`([^`]+)`", line)}


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    seen: Counter[str] = Counter()
    found = set()
    for line in prose(page):
        if line.startswith("#"):
            title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", line.lstrip("#").strip()).lower()
            slug = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
            found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
    return found


def named(page: Path) -> str:
    """Return a page's name for a test's id."""
    return str(page.relative_to(ROOT))


def methods() -> set[tuple[str, str]]:
    """Return every method of the contract with its service."""
    return {
        (service.name, method.name)
        for file in CONTRACT
        for service in file.services_by_name.values()
        for method in service.methods
    }


def enum_values() -> set[str]:
    """Return the name of every enum value of the contract."""
    files: set[FileDescriptor] = set()
    pending = list(CONTRACT)
    while pending:
        file = pending.pop()
        files.add(file)
        pending += [other for other in file.dependencies if other not in files]
    return {value.name for file in files for enum in file.enum_types_by_name.values() for value in enum.values}


@pytest.fixture(scope="module")
def starting(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Path, Future[Example]]]:
    """Give a server for each page that is tried; those of later pages start while the first are tried."""
    selected = [item for item in request.session.items if isinstance(item, pytest.Function)]
    pages = [
        Path(str(item.callspec.params["page"])) for item in selected if item.originalname == test_examples_run.__name__
    ]
    with ExitStack() as processes, ThreadPoolExecutor(STARTING_AT_ONCE) as starters:
        yield {page: starters.submit(start_server, processes, tmp_path_factory.mktemp("page")) for page in pages}
        starters.shutdown(cancel_futures=True)


def start_server(processes: ExitStack, directory: Path) -> Example:
    """Start a server on fresh SQLite files in ``data`` and wait until its projections answer."""
    (directory / "data").mkdir()
    process = processes.enter_context(ServerProcess(directory / "data"))
    process.start()
    with connect_plainly(process.address) as ledger:
        request = GetTrialBalanceRequest(min_position=LogPosition(position=1))
        ledger.statements.GetTrialBalance(request, timeout=SECONDS)
    return Example(process, directory)


def run_python(block: Block, namespace: dict[str, Any], address: str) -> None:
    """Execute a block; what it prints is compared with the remarks beside its prints."""
    lines = block.text.splitlines()

    def checked_print(*values: object, sep: str = " ") -> None:
        line = sys._getframe(1).f_lineno - block.line
        expected = _EXPECTED.search(lines[line])
        if expected:
            assert sep.join(map(str, values)) == expected[1], f"{named(block.page)}:{block.line + line}"

    namespace["print"] = checked_print
    # Empty lines before the block make a traceback name the page's own lines.
    source = "\n" * (block.line - 1) + block.text.replace(ADDRESS, address)
    exec(compile(source, str(block.page), "exec"), namespace)  # noqa: S102 - our own pages


def run_shell(block: Block, server: ServerProcess, directory: Path) -> str:
    """Execute a block as a reader would in the checkout; return what it printed."""
    esep = directory / "esep"
    esep.write_text(f'#!/bin/sh\nexec {sys.executable} -c "from ledger.cli import main; main()" "$@"\n', "utf-8")
    esep.chmod(0o755)  # Stands in where the environment was made without installing the program.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"], str(directory)))
    variables = {**server.environment, "ESEP_SERVER": server.address, "PATH": path}
    text = block.text.replace(ADDRESS, server.address)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=directory if block.remark == OWN_PLACE else ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SHELL_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{named(block.page)}:{block.line} exits with {done.returncode}\n{done.stdout}"
    return done.stdout


def compare_output(block: Block, printed: str) -> None:
    """Compare a shown output with what was printed, line by line, without regard to spaces."""
    shown = [" ".join(line.split()) for line in block.text.splitlines() if line.strip()]
    found = [" ".join(line.split()) for line in printed.splitlines() if line.strip()]
    pattern = "\n".join(re.escape(line).replace("…", ".*") for line in shown)
    assert re.fullmatch(pattern, "\n".join(found)), f"{named(block.page)}:{block.line} shows other than\n{printed}"


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=named)
def test_examples_run(page: Path, starting: dict[Path, Future[Example]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example of a page runs in order, and prints what the page says that it prints."""
    server, directory = starting[page].result()
    monkeypatch.chdir(directory)
    namespace: dict[str, Any] = {"__name__": "example"}
    printed = ""
    for block in examples(page):
        if block.language == "python":
            run_python(block, namespace, server.address)
        elif block.directive == "run":
            printed = run_shell(block, server, directory)
        else:
            compare_output(block, printed)
    server.kill()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_examples_can_be_pasted(page: Path) -> None:
    """Python reads every example line by line as it does at its prompt, where an empty line ends a block."""
    for block in blocks(page):
        if block.language != "python" or "\nclass " in block.text:  # A class is written into a file.
            continue
        typed: list[str] = []
        for number, line in enumerate([*block.text.splitlines(), ""], block.line):
            typed.append(line)
            try:
                complete = codeop.compile_command("\n".join(typed)) is not None
            except SyntaxError as error:
                pytest.fail(f"{named(page)}:{number}: {error.msg}")
            if complete:
                typed = []
        assert not any(typed), f"{named(page)}:{block.line} does not end"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_internal_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the checkout, and every anchor in a page, exists."""
    broken = []
    for target in (link for line in prose(page) for link in _LINK.findall(re.sub(r"`[^`]*`", "", line))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_names_in_capitals_exist(page: Path) -> None:
    """Every NAME_IN_CAPITALS in backticks is a reason, a status code, a setting or a value of the contract."""
    settings = {f"ESEP_{name.upper()}" for name in Settings.model_fields}
    codes = {code.name for code in grpc.StatusCode}
    known = OTHER_NAMES | set(Reason.__members__) | settings | codes | enum_values()
    mentioned = {span.partition("=")[0] for span in spans(page)}
    assert {name for name in mentioned if _CAPITALS.fullmatch(name)} <= known


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_topics_exist(page: Path) -> None:
    """Every topic in backticks is one of an event."""
    topics = {event.TOPIC for event in EVENTS}
    assert {span for span in spans(page) if _TOPIC.fullmatch(span)} <= topics


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_methods_exist(page: Path) -> None:
    """Every Service.Method in backticks is one of the contract."""
    mentioned = {match.groups() for span in spans(page) if (match := _METHOD.fullmatch(span))}
    assert mentioned <= methods()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_exist(page: Path) -> None:
    """Every ``make target`` and ``esep command`` on a page can be called."""
    text = page.read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    commands = {str(command.name or getattr(command.callback, "__name__", "")) for command in app.registered_commands}
    commands |= {str(group.name) for group in app.registered_groups}
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text, re.MULTILINE)) <= targets
    assert set(re.findall(r"(?:`|^)esep ([a-z]+)", text, re.MULTILINE)) <= commands


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_and_metrics_exist(page: Path) -> None:
    """Every path of the checkout and every metric in backticks is there."""
    tops = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
    paths = {span for span in spans(page) if re.fullmatch(r"[\w.-]+(/[\w.-]+)+/?", span) and span.split("/")[0] in tops}
    assert {path for path in paths if path.split("/")[0] != "data" and not (ROOT / path).exists()} == set()
    edge = "".join(file.read_text("utf-8") for file in (ROOT / "ledger" / "rpc").glob("*.py"))
    metrics = {re.sub(r"_(total|bucket|count|sum)$", "", span) for span in spans(page) if span.startswith("esep_")}
    assert {metric for metric in metrics if f'"{metric}"' not in edge} == set()


def test_the_api_page_lists_every_method_with_its_reasons() -> None:
    """The page of methods has a row for each of the contract, with every reason that its comment refuses with."""
    listed: dict[tuple[str, str], set[str]] = {}
    service = ""
    for line in prose(ROOT / "docs" / "reference" / "api.md"):
        if line.startswith("## "):
            service = line.removeprefix("## ").strip("` ")
        elif row := re.match(r"\| `(\w+)` \|", line):
            listed[service, row[1]] = set(re.findall(r"`([A-Z_]+)`", line.rpartition("|")[0].rpartition("|")[2]))
    assert set(listed) == methods()
    contract = "".join(file.read_text("utf-8") for file in sorted((ROOT / "protos/esep/v1").glob("*_service.proto")))
    for (service, method), reasons in listed.items():
        comment = re.search(r"((?:^  //.*\n)+)  rpc " + method + r"\(", contract, re.MULTILINE)
        refused = comment[1].partition("Refused with")[2].split("//\n")[0] if comment else ""
        stated = {name for name in re.findall(r"[A-Z][A-Z_]+", refused) if name in Reason.__members__}
        assert stated <= reasons, f"{service}.{method}"
