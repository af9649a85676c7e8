"""TokenService: putting tokens into phones, and what becomes of them."""
# ruff: noqa: N802 - the names of the methods are the contract's

from domain import ids
from domain.card import Card
from domain.customer import Customer
from domain.device import Device
from domain.ports import Clock
from domain.refusals import Reason, Refused, invalid, refuse
from domain.token import KeysIssued, Token
from domain.tokenise import ProvisionToken, ReplenishKeys
from domain.wallet import Wallet, wallet_id
from ledger.rpc.calls import Context
from ledger.rpc.gateway import Gateway
from ledger.rpc.intake import Intake, timestamp
from ledger.rpc.outcomes import Done
from ledger.rpc.reads import LogReads
from ledger.rpc.tellers import expect
from ledger.rpc.tokens import Tokens
from ledger.rpc.translate import token as translate
from ledger.rpc.translate.common import receipt
from ledger.vault.tokens import Provision
from protos.esep.v1 import token_pb2
from protos.esep.v1 import token_service_pb2 as pb
from protos.esep.v1.token_service_pb2_grpc import TokenServiceServicer


class TokenService(TokenServiceServicer):
    """Answers esep.v1.TokenService."""

    def __init__(self, gateway: Gateway, tokens: Tokens, log_reads: LogReads, clock: Clock) -> None:
        self._gateway = gateway
        self._tokens = tokens
        self._log = log_reads
        self._clock = clock

    async def RequestToken(self, request: pb.RequestTokenRequest, context: Context) -> pb.RequestTokenResponse:
        """Ask for a token."""
        command, request_id = translate.request_token(request)
        done = await self._tokens.request(command, request_id, validate_only=request.validate_only)
        return pb.RequestTokenResponse(token=await self._told(done), receipt=receipt(done))

    async def DeclineToken(self, request: pb.DeclineTokenRequest, context: Context) -> pb.DeclineTokenResponse:
        """Decline a request."""
        done = await self._gateway.execute(*translate.decline_token(request), validate_only=request.validate_only)
        return pb.DeclineTokenResponse(token=await self._told(done), receipt=receipt(done))

    async def ProvisionToken(self, request: pb.ProvisionTokenRequest, context: Context) -> pb.ProvisionTokenResponse:
        """Put a token into its phone."""
        done, given = await self._tokens.give_keys(ProvisionToken, *translate.keys(request))
        return pb.ProvisionTokenResponse(
            token=await self._told(done), receipt=receipt(done), token_number=given.number, key=_key(done, given)
        )

    async def ActivateToken(self, request: pb.ActivateTokenRequest, context: Context) -> pb.ActivateTokenResponse:
        """Switch contactless payment on."""
        done = await self._gateway.execute(*translate.activate_token(request), validate_only=request.validate_only)
        return pb.ActivateTokenResponse(token=await self._told(done), receipt=receipt(done))

    async def ReplenishKeys(self, request: pb.ReplenishKeysRequest, context: Context) -> pb.ReplenishKeysResponse:
        """Give the phone another key."""
        done, given = await self._tokens.give_keys(ReplenishKeys, *translate.keys(request))
        return pb.ReplenishKeysResponse(token=await self._told(done), receipt=receipt(done), key=_key(done, given))

    async def SuspendToken(self, request: pb.SuspendTokenRequest, context: Context) -> pb.SuspendTokenResponse:
        """Suspend a token."""
        done = await self._gateway.execute(*translate.suspend_token(request), validate_only=request.validate_only)
        return pb.SuspendTokenResponse(token=await self._told(done), receipt=receipt(done))

    async def ResumeToken(self, request: pb.ResumeTokenRequest, context: Context) -> pb.ResumeTokenResponse:
        """Lift a suspension."""
        done = await self._gateway.execute(*translate.resume_token(request), validate_only=request.validate_only)
        return pb.ResumeTokenResponse(token=await self._told(done), receipt=receipt(done))

    async def DeactivateToken(self, request: pb.DeactivateTokenRequest, context: Context) -> pb.DeactivateTokenResponse:
        """End a token."""
        done = await self._gateway.execute(*translate.deactivate_token(request), validate_only=request.validate_only)
        return pb.DeactivateTokenResponse(token=await self._told(done), receipt=receipt(done))

    async def RelinkToken(self, request: pb.RelinkTokenRequest, context: Context) -> pb.RelinkTokenResponse:
        """Let a token stand for another card."""
        done = await self._gateway.execute(*translate.relink_token(request), validate_only=request.validate_only)
        return pb.RelinkTokenResponse(token=await self._told(done), receipt=receipt(done))

    async def BlockDevice(self, request: pb.BlockDeviceRequest, context: Context) -> pb.BlockDeviceResponse:
        """Block a phone."""
        done = await self._gateway.execute(*translate.on_device(request), validate_only=request.validate_only)
        return pb.BlockDeviceResponse(
            device=await self._tokens.device(expect(done.subject, Device)), receipt=receipt(done)
        )

    async def UnblockDevice(self, request: pb.UnblockDeviceRequest, context: Context) -> pb.UnblockDeviceResponse:
        """Unblock a phone."""
        done = await self._gateway.execute(*translate.on_device(request), validate_only=request.validate_only)
        return pb.UnblockDeviceResponse(
            device=await self._tokens.device(expect(done.subject, Device)), receipt=receipt(done)
        )

    async def GetToken(self, request: pb.GetTokenRequest, context: Context) -> pb.GetTokenResponse:
        """Read one token from the log."""
        token_id = _known(request.token_id, "token_id")
        position = await self._log.position(request)
        token = await self._log.aggregate(token_id, position)
        if not isinstance(token, Token):
            raise Refused(refuse(Reason.TOKEN_NOT_FOUND, token_id=request.token_id))
        return pb.GetTokenResponse(
            token=await self._tokens.message(token, self._clock.now()), position=self._log.message(position)
        )

    async def ListTokens(self, request: pb.ListTokensRequest, context: Context) -> pb.ListTokensResponse:
        """List a card's tokens from the log, or those of all cards of a customer."""
        position = await self._log.position(request)
        match request.WhichOneof("owner"):
            case "card_id":
                cards = [await self._card(_known(request.card_id, "card_id"), position)]
            case "customer_id":
                cards = await self._cards_of(_known(request.customer_id, "customer_id"), position)
            case _:
                raise Refused(invalid("owner", "MISSING", "is required: a card_id or a customer_id"))
        known = [token_id for card in cards for token_id in card.tokens]
        found = [expect(await self._log.aggregate(token_id, position), Token) for token_id in known]
        now = self._clock.now()
        return pb.ListTokensResponse(
            tokens=[await self._tokens.message(token, now) for token in found], position=self._log.message(position)
        )

    async def _told(self, done: Done) -> token_pb2.Token:
        return await self._tokens.message(expect(done.subject, Token), done.recorded_at)

    async def _card(self, card_id: bytes, position: int) -> Card:
        card = await self._log.aggregate(card_id, position)
        if not isinstance(card, Card):
            raise Refused(refuse(Reason.CARD_NOT_FOUND, card_id=ids.format_uuid(card_id)))
        return card

    async def _cards_of(self, customer_id: bytes, position: int) -> list[Card]:
        if not isinstance(await self._log.aggregate(customer_id, position), Customer):
            raise Refused(refuse(Reason.CUSTOMER_NOT_FOUND, customer_id=ids.format_uuid(customer_id)))
        wallet = await self._log.aggregate(wallet_id(customer_id), position)
        return [await self._card(card, position) for card in wallet.cards] if isinstance(wallet, Wallet) else []


def _known(text: str, field: str) -> bytes:
    intake = Intake()
    known = intake.known_id(text, field)
    intake.check()
    return known


def _key(done: Done, given: Provision) -> token_pb2.TokenKey:
    issued = expect(done.event, KeysIssued)
    return token_pb2.TokenKey(
        sequence=issued.sequence,
        key=given.key,
        max_uses=issued.max_uses,
        max_amount_tyiyn=issued.max_amount,
        expire_time=timestamp(issued.keys_until),
    )
