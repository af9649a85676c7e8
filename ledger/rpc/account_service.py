"""AccountService: opening, reading, freezing, bounding and closing accounts."""
# ruff: noqa: N802 - the names of the methods are the contract's

from domain import ids
from domain.account import NUMBER_CLAIM, Account
from domain.claim import Claim
from domain.refusals import Reason, Refused, invalid, refuse
from ledger.rpc.calls import Context
from ledger.rpc.gateway import Gateway
from ledger.rpc.intake import Intake
from ledger.rpc.outcomes import Done
from ledger.rpc.reads import LogReads, Reads
from ledger.rpc.tellers import expect
from ledger.rpc.translate import account as translate
from ledger.rpc.translate.account import account_message
from ledger.rpc.translate.common import receipt
from ledger.rpc.whereabouts import check_partition
from protos.esep.v1 import account_pb2
from protos.esep.v1 import account_service_pb2 as pb
from protos.esep.v1.account_service_pb2_grpc import AccountServiceServicer


class AccountService(AccountServiceServicer):
    """Answers esep.v1.AccountService."""

    def __init__(self, gateway: Gateway, log_reads: LogReads, reads: Reads) -> None:
        self._gateway = gateway
        self._log = log_reads
        self._reads = reads

    async def OpenAccount(self, request: pb.OpenAccountRequest, context: Context) -> pb.OpenAccountResponse:
        """Open an account."""
        check_partition(request.partition, self._gateway.engines)
        done = await self._gateway.execute(*translate.open_account(request), validate_only=request.validate_only)
        account = account_message(expect(done.subject, Account), trial=done.position == 0)
        return pb.OpenAccountResponse(account=account, receipt=receipt(done))

    async def FreezeAccount(self, request: pb.FreezeAccountRequest, context: Context) -> pb.FreezeAccountResponse:
        """Freeze debits, credits or both."""
        done = await self._gateway.execute(*translate.freeze_account(request), validate_only=request.validate_only)
        return pb.FreezeAccountResponse(account=_account(done), receipt=receipt(done))

    async def UnfreezeAccount(self, request: pb.UnfreezeAccountRequest, context: Context) -> pb.UnfreezeAccountResponse:
        """Lift a freeze."""
        done = await self._gateway.execute(*translate.unfreeze_account(request), validate_only=request.validate_only)
        return pb.UnfreezeAccountResponse(account=_account(done), receipt=receipt(done))

    async def SetOverdraftLimit(
        self, request: pb.SetOverdraftLimitRequest, context: Context
    ) -> pb.SetOverdraftLimitResponse:
        """Set how far below zero an account may be taken."""
        done = await self._gateway.execute(*translate.set_overdraft_limit(request), validate_only=request.validate_only)
        return pb.SetOverdraftLimitResponse(account=_account(done), receipt=receipt(done))

    async def SetMinimumBalance(
        self, request: pb.SetMinimumBalanceRequest, context: Context
    ) -> pb.SetMinimumBalanceResponse:
        """Set what must stay in an account."""
        done = await self._gateway.execute(*translate.set_minimum_balance(request), validate_only=request.validate_only)
        return pb.SetMinimumBalanceResponse(account=_account(done), receipt=receipt(done))

    async def CloseAccount(self, request: pb.CloseAccountRequest, context: Context) -> pb.CloseAccountResponse:
        """Close an account for good."""
        done = await self._gateway.execute(*translate.close_account(request), validate_only=request.validate_only)
        return pb.CloseAccountResponse(account=_account(done), receipt=receipt(done))

    async def GetAccount(self, request: pb.GetAccountRequest, context: Context) -> pb.GetAccountResponse:
        """Read one account from the log."""
        log = self._log.at(ids.account_partition(request.account_id))
        position = await log.position(request)
        match request.WhichOneof("account"):
            case "account_id":
                account = await self._by_id(log, request.account_id, position)
            case "account_number":
                account = await self._by_number(request.account_number, position)
            case _:
                raise Refused(invalid("account", "MISSING", "is required: an account_id or an account_number"))
        return pb.GetAccountResponse(account=account_message(account), position=log.message(position))

    async def _by_id(self, log: LogReads, account_id: int, position: int) -> Account:
        intake = Intake()
        intake.account_id(account_id, "account_id")
        intake.check()
        account = await log.aggregate(ids.account_originator(account_id), position)
        if not isinstance(account, Account):
            raise Refused(refuse(Reason.ACCOUNT_NOT_FOUND, account_id=account_id))
        return account

    async def _by_number(self, number: pb.AccountNumber, position: int) -> Account:
        key = f"{number.participant_id}/{number.account_number}"
        claimed = await self._log.aggregate(ids.claim_id(NUMBER_CLAIM, key), position)
        if not isinstance(claimed, Claim) or claimed.holder is None:
            raise Refused(refuse(Reason.ACCOUNT_NOT_FOUND, account_number=key))
        return expect(await self._log.aggregate(claimed.holder, position), Account)

    async def ListAccounts(self, request: pb.ListAccountsRequest, context: Context) -> pb.ListAccountsResponse:
        """List a participant's accounts in the order of their ids."""
        wanted, reader = translate.list_accounts(request), self._reads.reader
        page = await self._reads.page(
            request,
            int,
            lambda after, limit: reader.list_accounts(
                wanted.participant_id, kinds=wanted.kinds, closed=wanted.closed, after=after or 0, limit=limit
            ),
            lambda account: account.account_id,
        )
        return pb.ListAccountsResponse(
            accounts=[account_message(account) for account in page.items],
            next_page_token=page.next_page_token,
            positions=page.positions,
        )


def _account(done: Done) -> account_pb2.Account:
    return account_message(expect(done.subject, Account))
