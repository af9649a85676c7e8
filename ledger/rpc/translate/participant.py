"""Participants: requests to commands, and the bank as it is told."""

from typing import Any

from domain.participant import Participant, RegisterParticipant, UpdateParticipant
from ledger.rpc.intake import Intake, timestamp
from protos.esep.v1 import participant_pb2
from protos.esep.v1 import participant_service_pb2 as pb


def register_participant(request: pb.RegisterParticipantRequest) -> tuple[RegisterParticipant, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    return intake.build(RegisterParticipant, _values(request)), request_id


def update_participant(request: pb.UpdateParticipantRequest) -> tuple[UpdateParticipant, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    expected = request.expected_version if request.HasField("expected_version") else None
    return intake.build(UpdateParticipant, {**_values(request), "expected_version": expected}), request_id


def _values(request: pb.RegisterParticipantRequest | pb.UpdateParticipantRequest) -> dict[str, Any]:
    names = request.names
    return {
        "participant_id": request.participant_id,
        "names": {"ky": names.ky, "ru": names.ru, "en": names.en},
        "settlement_account_id": request.settlement_account_id,
        "fee_account_id": request.fee_account_id,
    }


def participant_message(found: Participant, *, accounts: bool = True) -> participant_pb2.Participant:
    """Return the bank as it is told, with or without the ids of its accounts."""
    return participant_pb2.Participant(
        participant_id=found.participant,
        names=participant_pb2.ParticipantNames(ky=found.names.ky, ru=found.names.ru, en=found.names.en),
        settlement_account_id=found.settlement_account if accounts else 0,
        fee_account_id=found.fee_account if accounts else 0,
        version=found.version,
        create_time=timestamp(found.created_at),
        update_time=timestamp(found.updated_at),
    )
