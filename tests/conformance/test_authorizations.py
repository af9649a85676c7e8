"""The published scenarios, and what the reader of such files refuses."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from scripts.demo_client import connect_plainly
from scripts.demo_server import ServerProcess
from scripts.scenario_player import Player
from scripts.scenarios import Scenario, ScenarioError, read_scenarios
from tests.conformance.runner import AUTHORIZATIONS

SCENARIOS = read_scenarios(AUTHORIZATIONS)


@pytest.fixture(scope="module")
def player(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    with ServerProcess(tmp_path_factory.mktemp("conformance")) as server:
        server.start()
        with connect_plainly(server.address) as ledger:
            yield Player(ledger, server.clock)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[scenario.id for scenario in SCENARIOS])
def test_available_after_every_step_is_what_processors_publish(player: Player, scenario: Scenario) -> None:
    """The ledger holds, posts and refuses as card processors say they do."""
    assert player.play(scenario).difference == ""


def test_a_reversal_that_overtakes_its_original_wins(player: Player, tmp_path: Path) -> None:
    """An authorisation whose reversal arrived first holds nothing."""
    steps = [
        {"op": "reverse", "auth": "A1", "available": 1000},
        {"op": "authorize", "auth": "A1", "amount": 500, "error": "reversed_before", "available": 1000},
    ]
    assert player.play(one_scenario(tmp_path, steps)).difference == ""


def test_every_operation_can_be_played(player: Player, tmp_path: Path) -> None:
    """What the published scenarios leave out is played as well: notices, credits, increments, refusals of them."""
    steps = [
        {"op": "settlement_notice", "amount": 5, "error": "clearing_reference_not_found", "available": 1000},
        {"op": "authorize", "auth": "A1", "amount": 300, "available": 700},
        {"op": "increment", "auth": "A1", "delta": 200, "available": 500},
        {"op": "increment", "auth": "A1", "delta": 501, "error": "insufficient_funds", "available": 500},
        {"op": "replace", "auth": "A1", "total": 600, "available": 400},
        {"op": "capture", "auth": "A1", "amount": 600, "final": True, "available": 400},
        {"op": "settlement_notice", "amount": 600, "available": 400},
        {"op": "refund_auth", "auth": None, "amount": 50, "available": 400},
        {"op": "refund", "auth": "A1", "amount": 601, "error": "over_refund", "available": 400},
        {"op": "credit", "amount": 50, "available": 450},
        {"op": "balance_inquiry", "available": 450},
    ]
    assert player.play(one_scenario(tmp_path, steps)).difference == ""


def test_a_wrong_expectation_is_told(player: Player, tmp_path: Path) -> None:
    """The first difference names the step, what is and what should be."""
    scenario = one_scenario(tmp_path, [{"op": "authorize", "auth": "A1", "amount": 300, "available": 701}])
    assert player.play(scenario).difference == "step 1 (authorize): available is 700, must be 701"


def test_a_refusal_that_was_not_expected_is_told(player: Player, tmp_path: Path) -> None:
    """A step that should pass and is refused is a difference, with the reason."""
    scenario = one_scenario(tmp_path, [{"op": "authorize", "auth": "A1", "amount": 1001}])
    assert player.play(scenario).difference.startswith("step 1 (authorize): refused with INSUFFICIENT_FUNDS")


def test_a_refusal_that_did_not_come_is_told(player: Player, tmp_path: Path) -> None:
    """A step that should be refused and passes is a difference."""
    steps = [{"op": "authorize", "auth": "A1", "amount": 1, "error": "insufficient_funds"}]
    difference = player.play(one_scenario(tmp_path, steps)).difference
    assert difference == "step 1 (authorize): accepted, but must be refused with INSUFFICIENT_FUNDS"


@pytest.mark.parametrize(
    ("step", "complaint"),
    [
        ({"op": "authorize", "auth": "A1"}, "step 1 (authorize): Object missing required field 'amount'"),
        ({"op": "authorise", "auth": "A1"}, "step 1 (authorise): Invalid value 'authorise' - at '$.op'"),
        ({"auth": "A1"}, "step 1: Object missing required field 'op'"),
        ({"op": "force_post", "amount": 1.5}, "step 1 (force_post): Expected 'int', got 'float' - at '$.amount'"),
        ({"op": "force_post", "amount": 0}, "step 1 (force_post): Expected 'int' >= 1 - at '$.amount'"),
        ({"op": "force_post", "amount": 1, "avaliable": 2}, "Object contains unknown field 'avaliable'"),
        ({"op": "force_post", "amount": 1, "error": "no_luck"}, "error 'no_luck' is the name of no reason"),
        ({"op": "capture", "auth": "A", "amount": 3, "final": True, "parts": {"fee": 1}}, "the parts add up to 1"),
        (["capture"], "step 1: Expected 'object', got 'array'"),
    ],
)
def test_a_malformed_step_is_named(tmp_path: Path, step: object, complaint: str) -> None:
    """Whoever writes scenarios is told where the file is wrong, before anything is played."""
    with pytest.raises(ScenarioError) as caught:
        one_scenario(tmp_path, [step])
    assert "scenario 1 (own-1)" in str(caught.value)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("content", ["", "[]", '{"links": []}', '{"scenarios": {}}', "\ufeff{}"])
def test_a_file_that_holds_no_scenarios_is_named(tmp_path: Path, content: str) -> None:
    """A file of another kind is refused with its name."""
    file = tmp_path / "other.json"
    file.write_text(content)
    with pytest.raises(ScenarioError, match=r"other\.json: "):
        read_scenarios(file)


def one_scenario(directory: Path, steps: Sequence[object]) -> Scenario:
    file = directory / "own.json"
    file.write_text(json.dumps({"scenarios": [{"id": "own-1", "opening_posted": 1000, "steps": steps}]}))
    return read_scenarios(file)[0]
