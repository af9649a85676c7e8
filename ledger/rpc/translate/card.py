"""Cards: requests to commands, and the card as it is told."""

from typing import Final, NamedTuple, TypeVar

from domain import ids
from domain.card import Card, Loss, Status
from domain.card_commands import (
    BlockCard,
    CloseCard,
    IssueCard,
    RenewCard,
    ReplaceCard,
    ReportCardLost,
    SetCardNotifications,
    UnbindCard,
    UnblockCard,
)
from domain.command import Command
from domain.pan import look_at, read_expiry, write_expiry
from domain.refusals import Reason, Refused, refuse
from ledger.rpc.intake import Intake, timestamp
from projections.resources import account_owner, customer_owner, participant_owner
from protos.esep.v1 import card_pb2
from protos.esep.v1 import card_service_pb2 as pb

C = TypeVar("C", bound=Command)

STATES: Final[dict[int, Status]] = {
    card_pb2.CARD_STATE_ACTIVE: Status.ACTIVE,
    card_pb2.CARD_STATE_BLOCKED: Status.BLOCKED,
    card_pb2.CARD_STATE_LOST: Status.LOST,
    card_pb2.CARD_STATE_STOLEN: Status.STOLEN,
    card_pb2.CARD_STATE_CLOSED: Status.CLOSED,
}
STATE_NUMBERS: Final = {status: card_pb2.CardState.ValueType(number) for number, status in STATES.items()}
LOSSES: Final[dict[int, Loss]] = {pb.CARD_LOSS_LOST: Loss.LOST, pb.CARD_LOSS_STOLEN: Loss.STOLEN}
NO_PAR: Final = "0" * 29
"""Stands in a command whose card gets no reference: it is repeated, refused, or a trial run."""
_SOME_EXPIRY: Final = 2099_12


class Issue(NamedTuple):
    """A card to be issued. ``number`` is in clear: for the vault and the issuer only."""

    command: IssueCard
    number: str


class CardsWanted(NamedTuple):
    """Which cards to list: whose, and those in which states only, of all where none is named."""

    owner: str
    states: list[Status]


def issue_card(request: pb.IssueCardRequest) -> tuple[Issue, bytes]:
    """Return the card to be issued and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    typed = look_at(request.card_number)
    expires = read_expiry(request.expiry)
    values = {
        "participant_id": request.participant_id,
        "account_id": request.account_id,
        "masked_number": typed.masked,
        "number_fault": typed.fault,
        "expires": _SOME_EXPIRY if expires is None else expires,
        "par": NO_PAR,
        "reference": request.reference,
    }
    command = intake.build(IssueCard, values)
    if expires is None:
        raise Refused(refuse(Reason.CARD_EXPIRY_MALFORMED))
    return Issue(command, request.card_number), request_id


def block_card(request: pb.BlockCardRequest) -> tuple[BlockCard, bytes]:
    """Return the command and its request id."""
    return _build(BlockCard, request, explanation=request.explanation)


def unblock_card(request: pb.UnblockCardRequest) -> tuple[UnblockCard, bytes]:
    """Return the command and its request id."""
    return _build(UnblockCard, request, explanation=request.explanation)


def report_card_lost(request: pb.ReportCardLostRequest) -> tuple[ReportCardLost, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    how = intake.choice(request.loss, LOSSES, "loss")
    return _build(ReportCardLost, request, intake, how=how, explanation=request.explanation)


def replace_card(request: pb.ReplaceCardRequest) -> tuple[ReplaceCard, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    replacement = intake.uuid(request.replacement_card_id, "replacement_card_id")
    if request.card_id and request.replacement_card_id == request.card_id:
        intake.wrong("replacement_card_id", "SAME_CARD", "is the card to be replaced")
    return _build(ReplaceCard, request, intake, replacement_card_id=replacement)


def renew_card(request: pb.RenewCardRequest) -> tuple[RenewCard, bytes]:
    """Return the command and its request id."""
    expires = read_expiry(request.expiry)
    command, request_id = _build(RenewCard, request, expires=_SOME_EXPIRY if expires is None else expires)
    if expires is None:
        raise Refused(refuse(Reason.CARD_EXPIRY_MALFORMED))
    return command, request_id


def close_card(request: pb.CloseCardRequest) -> tuple[CloseCard, bytes]:
    """Return the command and its request id."""
    return _build(CloseCard, request, explanation=request.explanation)


def unbind_card(request: pb.UnbindCardRequest) -> tuple[UnbindCard, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    customer = intake.uuid(request.customer_id, "customer_id") if request.customer_id else None
    return _build(UnbindCard, request, intake, customer_id=customer)


def set_card_notifications(request: pb.SetCardNotificationsRequest) -> tuple[SetCardNotifications, bytes]:
    """Return the command and its request id."""
    return _build(SetCardNotifications, request, sms=request.sms)


_OnCard = (
    pb.BlockCardRequest
    | pb.UnblockCardRequest
    | pb.ReportCardLostRequest
    | pb.ReplaceCardRequest
    | pb.RenewCardRequest
    | pb.CloseCardRequest
    | pb.UnbindCardRequest
    | pb.SetCardNotificationsRequest
)


def _build(kind: type[C], request: _OnCard, intake: Intake | None = None, **values: object) -> tuple[C, bytes]:
    intake = intake or Intake()
    request_id = intake.request_id(request.request_id)
    expected = request.expected_version if request.HasField("expected_version") else None
    card_id = intake.uuid(request.card_id, "card_id")
    return intake.build(kind, {"card_id": card_id, "expected_version": expected, **values}), request_id


def list_cards(request: pb.ListCardsRequest) -> CardsWanted:
    """Return which cards a request asks for."""
    intake, owner = Intake(), ""
    match request.WhichOneof("owner"):
        case "participant_id":
            owner = participant_owner(intake.participant_id(request.participant_id, "participant_id"))
        case "account_id":
            owner = account_owner(intake.account_id(request.account_id, "account_id"))
        case "customer_id":
            owner = customer_owner(intake.known_id(request.customer_id, "customer_id"))
        case None:
            intake.wrong("owner", "MISSING", "is required: a participant_id, an account_id or a customer_id")
    states = [intake.choice(number, STATES, f"states[{index}]") for index, number in enumerate(request.states)]
    intake.check()
    return CardsWanted(owner, states)


def card_message(card: Card, *, trial: bool = False) -> card_pb2.Card:
    """Return the card as it is told. In a trial run of its issue it has no payment account reference."""
    return card_pb2.Card(
        card_id=ids.format_uuid(card.card_id),
        participant_id=card.participant,
        account_id=card.account,
        masked_number=card.masked,
        expiry=write_expiry(card.expires),
        payment_account_reference="" if trial else card.par,
        state=STATE_NUMBERS[card.status],
        customer_id=_id(card.customer),
        sms_notifications=card.sms,
        binding_id=_id(card.binding),
        replaced_by_card_id=_id(card.replaced_by),
        replaces_card_id=_id(card.replaces),
        reference=card.reference,
        version=card.version,
        create_time=timestamp(card.created_at),
        update_time=timestamp(card.updated_at),
    )


def _id(value: bytes | None) -> str:
    return "" if value is None else ids.format_uuid(value)
