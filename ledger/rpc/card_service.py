"""CardService: issuing cards, and what a bank does with them."""
# ruff: noqa: N802 - the names of the methods are the contract's

from domain import ids
from domain.card import Card
from domain.refusals import Reason, Refused, invalid, refuse
from ledger.issuer import LocalIssuer
from ledger.rpc.calls import Context
from ledger.rpc.cards import Cards
from ledger.rpc.gateway import Gateway
from ledger.rpc.intake import Intake
from ledger.rpc.outcomes import Done
from ledger.rpc.reads import LogReads, Reads
from ledger.rpc.tellers import expect
from ledger.rpc.translate import card as translate
from ledger.rpc.translate.card import card_message
from ledger.rpc.translate.common import receipt
from projections.answers import RecordCursor
from projections.resources import CARD
from protos.esep.v1 import card_pb2
from protos.esep.v1 import card_service_pb2 as pb
from protos.esep.v1.card_service_pb2_grpc import CardServiceServicer


class CardService(CardServiceServicer):
    """Answers esep.v1.CardService. ``personaliser`` makes CVVs for whoever asks, None where that is not done here."""

    def __init__(
        self, gateway: Gateway, cards: Cards, log_reads: LogReads, reads: Reads, personaliser: LocalIssuer | None
    ) -> None:
        self._gateway = gateway
        self._cards = cards
        self._log = log_reads
        self._reads = reads
        self._personaliser = personaliser

    async def IssueCard(self, request: pb.IssueCardRequest, context: Context) -> pb.IssueCardResponse:
        """Issue a card."""
        issue, request_id = translate.issue_card(request)
        if request.return_cvv and self._personaliser is None:
            raise Refused(invalid("return_cvv", "DEVELOPMENT_ONLY", "is answered by development servers only"))
        done = await self._cards.issue(issue, request_id, validate_only=request.validate_only)
        card = expect(done.subject, Card)
        cvv = self._personaliser.cvv(issue.number, card.expires) if request.return_cvv and self._personaliser else ""
        return pb.IssueCardResponse(card=card_message(card, trial=done.position == 0), receipt=receipt(done), cvv=cvv)

    async def GetCard(self, request: pb.GetCardRequest, context: Context) -> pb.GetCardResponse:
        """Read one card from the log."""
        position = await self._log.position(request)
        match request.WhichOneof("card"):
            case "card_id":
                intake = Intake()
                card_id = intake.known_id(request.card_id, "card_id")
                intake.check()
            case "card_number":
                card_id = await self._cards.find(request.card_number)
            case _:
                raise Refused(invalid("card", "MISSING", "is required: a card_id or a card_number"))
        card = await self._log.aggregate(card_id, position)
        if not isinstance(card, Card):
            raise Refused(refuse(Reason.CARD_NOT_FOUND, card_id=ids.format_uuid(card_id)))
        return pb.GetCardResponse(card=card_message(card), position=self._log.message(position))

    async def ListCards(self, request: pb.ListCardsRequest, context: Context) -> pb.ListCardsResponse:
        """List cards by their bank, account or customer, newest first."""
        wanted = translate.list_cards(request)
        reader, now = self._reads.reader, self._reads.clock.now()
        page = await self._reads.page(
            request,
            RecordCursor,
            lambda after, limit: reader.list_resources(
                CARD, wanted.owner, states=wanted.states, now=now, after=after, limit=limit
            ),
            lambda found: found.cursor,
        )
        return pb.ListCardsResponse(
            cards=[card_message(found.resource) for found in page.items],
            next_page_token=page.next_page_token,
            positions=page.positions,
        )

    async def BlockCard(self, request: pb.BlockCardRequest, context: Context) -> pb.BlockCardResponse:
        """Block a card."""
        done = await self._gateway.execute(*translate.block_card(request), validate_only=request.validate_only)
        return pb.BlockCardResponse(card=_card(done), receipt=receipt(done))

    async def UnblockCard(self, request: pb.UnblockCardRequest, context: Context) -> pb.UnblockCardResponse:
        """Lift a block."""
        done = await self._gateway.execute(*translate.unblock_card(request), validate_only=request.validate_only)
        return pb.UnblockCardResponse(card=_card(done), receipt=receipt(done))

    async def ReportCardLost(self, request: pb.ReportCardLostRequest, context: Context) -> pb.ReportCardLostResponse:
        """Record a loss."""
        done = await self._gateway.execute(*translate.report_card_lost(request), validate_only=request.validate_only)
        return pb.ReportCardLostResponse(card=_card(done), receipt=receipt(done))

    async def ReplaceCard(self, request: pb.ReplaceCardRequest, context: Context) -> pb.ReplaceCardResponse:
        """Put another card in a lost one's place."""
        done = await self._gateway.execute(*translate.replace_card(request), validate_only=request.validate_only)
        return pb.ReplaceCardResponse(card=_card(done), receipt=receipt(done))

    async def RenewCard(self, request: pb.RenewCardRequest, context: Context) -> pb.RenewCardResponse:
        """Give a card a later expiry."""
        done = await self._gateway.execute(*translate.renew_card(request), validate_only=request.validate_only)
        return pb.RenewCardResponse(card=_card(done), receipt=receipt(done))

    async def CloseCard(self, request: pb.CloseCardRequest, context: Context) -> pb.CloseCardResponse:
        """Close a card for good."""
        done = await self._gateway.execute(*translate.close_card(request), validate_only=request.validate_only)
        return pb.CloseCardResponse(card=_card(done), receipt=receipt(done))

    async def UnbindCard(self, request: pb.UnbindCardRequest, context: Context) -> pb.UnbindCardResponse:
        """Take a card from its customer."""
        done = await self._gateway.execute(*translate.unbind_card(request), validate_only=request.validate_only)
        return pb.UnbindCardResponse(card=_card(done), receipt=receipt(done))

    async def SetCardNotifications(
        self, request: pb.SetCardNotificationsRequest, context: Context
    ) -> pb.SetCardNotificationsResponse:
        """Subscribe to messages, or end that."""
        command, request_id = translate.set_card_notifications(request)
        done = await self._gateway.execute(command, request_id, validate_only=request.validate_only)
        return pb.SetCardNotificationsResponse(card=_card(done), receipt=receipt(done))


def _card(done: Done) -> card_pb2.Card:
    return card_message(expect(done.subject, Card))
