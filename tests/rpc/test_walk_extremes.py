"""Every field of every method, put to the ends of what it can hold: refused by a reason of its own, or taken."""

from collections.abc import Iterator

import grpc
import pytest

from domain.refusals import Kind, Reason
from ledger.rpc.client import method_names
from tests.rpc.extremes import Extreme, extremes
from tests.rpc.world import Refusal, World, new_id
from tests.security.requests import REQUESTS
from tests.security.scenes import Caller, Scene, is_stream, make_scene

OURS = {Kind.INTERNAL, Kind.UNAVAILABLE, Kind.EXHAUSTED, Kind.DEADLINE}
"""Kinds of refusal for which no request is to blame."""
METHODS = [method for method in method_names() if not is_stream(method)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give a ledger that all methods share."""
    with World(tmp_path_factory.mktemp("ledger")) as running:
        yield running


@pytest.fixture(scope="module")
def scene(world: World) -> Scene:
    """Give things to ask about."""
    return make_scene(world, "bank-a")


@pytest.fixture(scope="module")
def caller(world: World) -> Caller:
    """Give somebody who may ask anything."""
    return Caller(world)


@pytest.mark.parametrize("method", METHODS)
def test_nothing_that_is_sent_is_a_surprise(caller: Caller, scene: Scene, method: str) -> None:
    """No value of a field is answered with a defect, or with a refusal that says neither why nor where."""
    surprises = [
        (extreme.path, extreme.value, told)
        for extreme in extremes(REQUESTS[method](scene))
        if (told := surprise(caller, method, extreme))
    ]
    assert surprises == []


def surprise(caller: Caller, method: str, extreme: Extreme) -> str:
    """Send a request; return what is wrong with its answer, empty for what may be answered."""
    if extreme.path != "request_id" and hasattr(extreme.request, "request_id"):
        extreme.request.request_id = new_id()
    try:
        caller.call(method, extreme.request)
    except grpc.RpcError as error:
        refusal = Refusal(error)
        if refusal.reason not in Reason.__members__:
            return f"{refusal.code}: {refusal.text}"
        kind = Reason[refusal.reason].value.kind
        if kind in OURS or (kind is Kind.INVALID and not refusal.fields):
            return f"{refusal.reason} at {refusal.fields}"
    return ""
