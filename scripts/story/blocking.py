"""An operator blocks a card, and unblocks it."""

from protos.esep.v1 import card_pb2
from protos.esep.v1.card_service_pb2 import BlockCardRequest, UnblockCardRequest
from scripts.demo_client import new_id
from scripts.story.people import Person
from scripts.story.scene import Scene, expect


def block(scene: Scene, person: Person, explanation: str) -> None:
    """Block the card: nothing is paid with it, nor with its tokens."""
    request = BlockCardRequest(request_id=new_id(), card_id=person.card_id, explanation=explanation)
    card = scene.do(scene.operator().cards.BlockCard, request).card
    expect("the state of a blocked card", card.state, card_pb2.CARD_STATE_BLOCKED)


def unblock(scene: Scene, person: Person, explanation: str) -> None:
    """Unblock it."""
    request = UnblockCardRequest(request_id=new_id(), card_id=person.card_id, explanation=explanation)
    card = scene.do(scene.operator().cards.UnblockCard, request).card
    expect("the state of an unblocked card", card.state, card_pb2.CARD_STATE_ACTIVE)
