"""Bindings of cards: requests to what is to be done, and the binding as it is told."""

from typing import Final, NamedTuple
from uuid import UUID

from domain import ids
from domain.binding import Binding, BindingState
from domain.confirm import CancelCardBinding, ConfirmCardBinding, DiscloseHeldAmount
from domain.pan import Typed, cvv_fits, look_at, read_expiry
from ledger.rpc.intake import Intake, timestamp
from protos.esep.v1 import card_binding_pb2
from protos.esep.v1 import card_binding_service_pb2 as pb

STATE_NUMBERS: Final = {
    BindingState.OPEN: card_binding_pb2.CARD_BINDING_STATE_OPEN,
    BindingState.BOUND: card_binding_pb2.CARD_BINDING_STATE_BOUND,
    BindingState.LOCKED: card_binding_pb2.CARD_BINDING_STATE_LOCKED,
    BindingState.CANCELLED: card_binding_pb2.CARD_BINDING_STATE_CANCELLED,
    BindingState.EXPIRED: card_binding_pb2.CARD_BINDING_STATE_EXPIRED,
}
MAX_NAME: Final = 40


class Wanted(NamedTuple):
    """A card that a customer wants to bind. ``number``, ``cvv`` and ``name`` are in clear: for the vault only."""

    customer_id: UUID
    name: str
    number: str
    typed: Typed
    expires: int | None
    cvv: str

    @property
    def cvv_malformed(self) -> bool:
        """Whether the CVV is not three digits."""
        return not cvv_fits(self.cvv)

    @property
    def well_formed(self) -> bool:
        """Whether all that was typed can be compared with a card."""
        return self.typed.fault is None and self.expires is not None and not self.cvv_malformed


def request_card_binding(request: pb.RequestCardBindingRequest) -> tuple[Wanted, bytes]:
    """Return what is wanted and the request id. What was typed is judged by the decision, after the customer."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    customer_id = intake.uuid(request.customer_id, "customer_id")
    if len(request.card_name) > MAX_NAME or not request.card_name.isprintable():
        intake.wrong("card_name", "TEXT", f"is longer than {MAX_NAME} characters, or holds control characters")
    intake.check()
    number = request.card_number
    wanted = Wanted(customer_id, request.card_name, number, look_at(number), read_expiry(request.expiry), request.cvv)
    return wanted, request_id


def confirm_card_binding(request: pb.ConfirmCardBindingRequest) -> tuple[ConfirmCardBinding, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {**_whose(intake, request), "amount_tyiyn": request.amount_tyiyn}
    return intake.build(ConfirmCardBinding, values), request_id


def cancel_card_binding(request: pb.CancelCardBindingRequest) -> tuple[CancelCardBinding, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    return intake.build(CancelCardBinding, _whose(intake, request)), request_id


def get_card_binding(request: pb.GetCardBindingRequest) -> tuple[bytes, bytes]:
    """Return the ids of the binding and of its customer."""
    intake = Intake()
    binding_id = intake.known_id(request.binding_id, "binding_id")
    customer_id = intake.known_id(request.customer_id, "customer_id")
    intake.check()
    return binding_id, customer_id


def disclose_held_amount(request: pb.DiscloseHeldAmountRequest) -> tuple[DiscloseHeldAmount, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "card_id": intake.uuid(request.card_id, "card_id"),
        "binding_id": intake.uuid(request.binding_id, "binding_id") if request.binding_id else None,
        "operator": request.operator,
        "explanation": request.explanation,
    }
    return intake.build(DiscloseHeldAmount, values), request_id


def _whose(intake: Intake, request: pb.ConfirmCardBindingRequest | pb.CancelCardBindingRequest) -> dict[str, object]:
    return {
        "binding_id": intake.uuid(request.binding_id, "binding_id"),
        "customer_id": intake.uuid(request.customer_id, "customer_id"),
    }


def binding_message(binding: Binding, name: str, now: int) -> card_binding_pb2.CardBinding:
    """Return the binding as it is told at a moment."""
    return card_binding_pb2.CardBinding(
        binding_id=ids.format_uuid(binding.binding_id),
        customer_id=ids.format_uuid(binding.customer),
        card_id=ids.format_uuid(binding.card),
        participant_id=binding.participant,
        masked_number=binding.masked,
        card_name=name,
        state=STATE_NUMBERS[binding.state(now)],
        tries_left=binding.tries_left,
        expire_time=timestamp(binding.expires_at),
        version=binding.version,
        create_time=timestamp(binding.created_at),
        update_time=timestamp(binding.updated_at),
    )
