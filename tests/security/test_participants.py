"""What each role reads of the register of banks."""

from collections.abc import Iterator

import pytest

from ledger.rpc.callers import Role
from protos.esep.v1.participant_service_pb2 import GetParticipantRequest, ListParticipantsRequest
from tests.rpc.payers import Payers
from tests.rpc.world import World
from tests.security.scenes import Caller

SERVICE = "/esep.v1.ParticipantService"


@pytest.fixture(scope="module")
def payers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Payers]:
    with World(tmp_path_factory.mktemp("ledger")) as world:
        yield Payers(world)


@pytest.mark.parametrize(
    ("role", "participant", "told"),
    [
        (Role.BANK, "bank-a", ["bank-a"]),
        (Role.BANK, "bank-b", ["bank-b"]),
        (Role.ATM, "bank-a", []),
        (Role.POS, "bank-a", []),
        (Role.APP, "bank-a", []),
        (Role.APP, "", []),
        (Role.AUDITOR, "", ["bank-a", "bank-b"]),
        (Role.OPERATOR, "", ["bank-a", "bank-b"]),
    ],
)
def test_a_banks_accounts_are_told_to_itself_and_to_the_scheme(
    payers: Payers, role: Role, participant: str, told: list[str]
) -> None:
    """Everybody reads the names; a list tells of each bank what a single question tells."""
    caller = Caller(payers.world, role, participant)
    for bank in ("bank-a", "bank-b"):
        one = caller.call(f"{SERVICE}/GetParticipant", GetParticipantRequest(participant_id=bank))
        question = ListParticipantsRequest(min_position=one.position)
        listed = {
            each.participant_id: each for each in caller.call(f"{SERVICE}/ListParticipants", question).participants
        }
        assert listed[bank] == one.participant
        assert one.participant.names.en == "Aiyl Bank"
        accounts = (one.participant.settlement_account_id, one.participant.fee_account_id)
        assert accounts == ((payers.settlement[bank], payers.fees[bank]) if bank in told else (0, 0))
