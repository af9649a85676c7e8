"""The shape of the code, where import-linter cannot look: single files, calls and statements.

The direction of imports between packages stands in pyproject.toml and is checked by ``make imports``.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("domain", "ledger", "projections")
EVERYTHING = (*PRODUCT, "bench", "scripts", "tests")
PURE = ("domain", "projections")
MAX_FILE_LINES = 500
MAX_SERVER_LINES = 180

GRPC = {"grpc", "grpc_health", "grpc_reflection", "grpc_status", "google", "protos"}
MAY_SPEAK_GRPC = (Path("ledger/rpc"), Path("ledger/cli"))
SERVER_MAY_IMPORT = {"domain", "ledger", "projections", "protos"}
OURS = {*EVERYTHING, "protos", "server"}

# Where time and chance come from. Importing the types of these modules is fine, calling for a value is not.
IMPURE_MODULES = {"random", "secrets", "time"}
IMPURE_CALLS = {
    ("date", "today"),
    ("datetime", "now"),
    ("datetime", "today"),
    ("datetime", "utcnow"),
    ("os", "urandom"),
    ("uuid", "uuid1"),
    ("uuid", "uuid4"),
}
# Two threads in which msgspec looks into one struct at once end the process: one of them decodes by what the other has
# half made. So decoders are made while their modules are imported. What comes later is safe where these say why.
LOOKS_INTO_TYPES = {"Decoder", "convert"}
MAY_LOOK_LATE = {
    Path("ledger/engine/snapshot.py"): "convert",  # of events' fields, and each event has a decoder
    Path("ledger/log/codec.py"): "convert",  # likewise
    Path("ledger/rpc/paging.py"): "decode",  # by the event loop alone
    Path("ledger/settings.py"): "convert",  # before anything else runs
}
IMPURE_NAMES = {"urandom", "uuid1", "uuid4"}


def python_files(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def named(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def imported_modules(module: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(module=str(name)):
                yield node.lineno, name
            case _:
                pass


def impure(module: ast.Module) -> Iterator[str]:
    """Say where a module asks for the time, for a fresh id or for chance."""
    for line, name in imported_modules(module):
        if name.split(".")[0] in IMPURE_MODULES:
            yield f"line {line}: import of {name}"
    for node in ast.walk(module):
        match node:
            case ast.ImportFrom(names=names):
                yield from (f"line {node.lineno}: import of {a.name}" for a in names if a.name in IMPURE_NAMES)
            case (
                ast.Attribute(value=ast.Name(id=owner), attr=name)
                | ast.Attribute(value=ast.Attribute(attr=owner), attr=name)
            ) if (owner, name) in IMPURE_CALLS:
                yield f"line {node.lineno}: {owner}.{name}"
            case _:
                pass


def late_decoders(module: ast.Module) -> list[tuple[int, str]]:
    """Return where functions have a type looked into, and by what; the bodies of modules and classes may."""
    kinds = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    functions = [node for node in ast.walk(module) if isinstance(node, kinds)]
    calls = {node for each in functions for node in ast.walk(each) if isinstance(node, ast.Call)}
    return sorted((call.lineno, name) for call in calls if (name := looking_into_a_type(call)))


def looking_into_a_type(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name) if name in LOOKS_INTO_TYPES:
            return name
        case ast.Attribute(attr="decode") if ast.unparse(call.func).startswith("msgspec.") and call.keywords:
            return "decode"
        case _:
            return ""


def asserts(module: ast.Module) -> list[int]:
    return [node.lineno for node in ast.walk(module) if isinstance(node, ast.Assert)]


@pytest.mark.parametrize("path", named(python_files(*EVERYTHING)))
def test_no_file_is_longer_than_one_can_read(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= MAX_FILE_LINES


@pytest.mark.parametrize("path", named(python_files(*PURE)))
def test_pure_code_asks_for_neither_time_nor_chance(path: Path) -> None:
    assert list(impure(tree(path))) == []


@pytest.mark.parametrize("path", named([*python_files(*PRODUCT), ROOT / "server.py"]))
def test_product_code_has_no_bare_assert(path: Path) -> None:
    """An optimised run drops asserts, so an invariant that matters is a function that raises."""
    assert asserts(tree(path)) == []


@pytest.mark.parametrize("path", named([*python_files(*PRODUCT), ROOT / "server.py"]))
def test_decoders_are_made_before_threads_are(path: Path) -> None:
    allowed = MAY_LOOK_LATE.get(path.relative_to(ROOT))
    assert [(line, name) for line, name in late_decoders(tree(path)) if name != allowed] == []


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("msgspec.json.decode(data, type=Told)", "decode"),
        ("msgspec.msgpack.Decoder(Told).decode(data)", "Decoder"),
        ("msgspec.convert(data, Told)", "convert"),
    ],
)
def test_a_late_decoder_is_found(body: str, name: str) -> None:
    assert late_decoders(ast.parse(f"def function():\n    return {body}")) == [(2, name)]
    assert late_decoders(ast.parse(body)) == []


@pytest.mark.parametrize("body", ["msgspec.json.decode(data)", "data.decode('ascii', errors='replace')"])
def test_decoding_without_a_type_is_fine(body: str) -> None:
    assert late_decoders(ast.parse(f"def function():\n    return {body}")) == []


@pytest.mark.parametrize("path", named(python_files(*PRODUCT)))
def test_only_rpc_and_cli_speak_grpc(path: Path) -> None:
    if any(path.is_relative_to(ROOT / package) for package in MAY_SPEAK_GRPC):
        return
    found = [f"line {line}: {name}" for line, name in imported_modules(tree(path)) if name.split(".")[0] in GRPC]
    assert found == []


def test_the_server_only_puts_together() -> None:
    """The composition root is short, and imports no tool, test or benchmark."""
    server = ROOT / "server.py"
    ours = {name.split(".")[0] for _, name in imported_modules(tree(server))} & OURS
    assert ours <= SERVER_MAY_IMPORT
    assert len(server.read_text("utf-8").splitlines()) < MAX_SERVER_LINES


@pytest.mark.parametrize("path", named(python_files(*PRODUCT)))
def test_product_code_imports_neither_the_server_nor_tools(path: Path) -> None:
    ours = {name.split(".")[0] for _, name in imported_modules(tree(path))} & OURS
    assert ours <= SERVER_MAY_IMPORT


@pytest.mark.parametrize(
    "source",
    [
        "import time",
        "from random import choice",
        "import secrets as s",
        "from uuid import uuid4",
        "import uuid\nuuid.uuid4()",
        "from datetime import datetime\ndatetime.now()",
        "import datetime\ndatetime.datetime.now(datetime.UTC)",
        "import datetime\ndatetime.date.today()",
        "import os\nos.urandom(8)",
        "from os import urandom",
    ],
)
def test_asking_for_time_or_chance_is_found(source: str) -> None:
    assert list(impure(ast.parse(source))) != []


@pytest.mark.parametrize("source", ["from uuid import UUID, uuid5", "from datetime import UTC, datetime\ndatetime.max"])
def test_using_the_types_of_time_and_ids_is_fine(source: str) -> None:
    assert list(impure(ast.parse(source))) == []


READS_PERSONAL_DATA = {"unseal", "read_fields"}


def test_personal_data_is_read_in_one_place() -> None:
    """Whoever tells of people asks ``ledger.rpc.personal``, which asks the log first whether they were erased."""
    readers = {
        str(path.relative_to(ROOT))
        for path in python_files("ledger/rpc", "ledger/cli", "ledger/audit")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute)
        and (node.attr in READS_PERSONAL_DATA or (node.attr == "read" and "vault" in ast.unparse(node.value)))
    }
    assert readers == {"ledger/rpc/personal.py"}
