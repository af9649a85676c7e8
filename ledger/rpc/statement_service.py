"""StatementService: what accounts have, and how it came to be. Questions only, answered by the projections."""
# ruff: noqa: N802 - the names of the methods are the contract's

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Final

from domain import ids
from domain.refusals import Refused, invalid
from ledger.rpc.balance_watch import MOST, BalanceWatch
from ledger.rpc.calls import Context
from ledger.rpc.intake import Intake
from ledger.rpc.reads import LogReads, Reads, positions_message, unknown_account
from ledger.rpc.tellers import Teller
from ledger.rpc.translate import audit
from ledger.rpc.translate import statement as translate
from projections.answers import Answer, AtPosition, AuthorizationRecord, Axis, Balance, LineCursor, RecordCursor
from projections.queries import Reader
from protos.esep.v1 import authorization_pb2
from protos.esep.v1 import statement_service_pb2 as pb
from protos.esep.v1.statement_service_pb2_grpc import StatementServiceServicer

MAX_BALANCES: Final = 1_000
DEFAULT_LINES: Final = 10
MAX_LINES: Final = 100
MAX_OPEN_AUTHORIZATIONS: Final = 100


class StatementService(StatementServiceServicer):
    """Answers esep.v1.StatementService."""

    def __init__(self, reads: Reads, log_reads: LogReads, watch: BalanceWatch, teller: Teller) -> None:
        self._reads = reads
        self._log = log_reads
        self._watch = watch
        self._teller = teller

    async def GetBalance(self, request: pb.GetBalanceRequest, context: Context) -> pb.GetBalanceResponse:
        """Read one account's balance."""
        intake = Intake()
        intake.account_id(request.account_id, "account_id")
        moment = translate.as_of(intake, request.as_of, [request.account_id])
        intake.check()
        now = self._reads.clock.now()

        def question(reader: Reader) -> Answer[Balance | None]:
            return reader.balance(request.account_id, now=now, as_of=moment)

        if moment is None:
            found = await self._reads.glance(request, question)
        else:
            home = ids.account_partition(request.account_id)
            found = await self._reads.ask_as_of(request, moment, [home], lambda: question(self._reads.reader))
        if found.result is None:
            raise unknown_account(request.account_id)
        _check_room("as_of", [found.result.posted])
        (position,) = positions_message(found.positions)
        return pb.GetBalanceResponse(balance=translate.balance_message(found.result), position=position)

    async def BatchGetBalances(
        self, request: pb.BatchGetBalancesRequest, context: Context
    ) -> pb.BatchGetBalancesResponse:
        """Read the balances of many accounts."""
        intake = Intake()
        accounts = _accounts(intake, request.account_ids, MAX_BALANCES)
        moment = translate.as_of(intake, request.as_of, accounts)
        intake.check()
        now, reader = self._reads.clock.now(), self._reads.reader
        found = await self._reads.ask_as_of(
            request,
            moment,
            map(ids.account_partition, accounts),
            lambda: reader.balances(accounts, now=now, as_of=moment),
        )
        balances = []
        for account, balance in zip(accounts, found.result, strict=True):
            if balance is None:
                raise unknown_account(account)
            _check_room("as_of", [balance.posted])
            balances.append(translate.balance_message(balance))
        return pb.BatchGetBalancesResponse(balances=balances, positions=positions_message(found.positions))

    async def WatchBalances(
        self, request: pb.WatchBalancesRequest, context: Context
    ) -> AsyncGenerator[pb.WatchBalancesResponse, None]:
        """Send the balances of accounts, and each of them again whenever it has changed."""
        intake, after = Intake(), None
        accounts = _accounts(intake, request.account_ids, MOST)
        homes = sorted({ids.account_partition(account) for account in accounts})
        if len(homes) > 1:
            intake.wrong(
                "account_ids", "PARTITIONS", f"are of partitions {', '.join(map(str, homes))}: watch each apart"
            )
        log = self._log.at(homes[0] if homes else 0)
        if request.HasField("after"):
            after = audit.position(intake, request.after, "after", log.partition, await log.head())
        intake.check()
        caught_up = False
        async with aclosing(self._watch.follow(accounts, after, log.partition)) as seen:
            async for changed, position in seen:
                place = log.message(position)
                if changed:
                    batch = pb.BalanceBatch(balances=map(translate.balance_message, changed), position=place)
                    yield pb.WatchBalancesResponse(balances=batch)
                elif caught_up:
                    yield pb.WatchBalancesResponse(heartbeat=pb.BalancesHeartbeat(position=place))
                if not caught_up:
                    caught_up = True
                    yield pb.WatchBalancesResponse(caught_up=pb.BalancesCaughtUp(position=place))

    async def GetMiniStatement(
        self, request: pb.GetMiniStatementRequest, context: Context
    ) -> pb.GetMiniStatementResponse:
        """Read what an ATM prints."""
        intake = Intake()
        intake.account_id(request.account_id, "account_id")
        if not 0 <= request.limit <= MAX_LINES:
            intake.wrong("limit", "RANGE", f"is not 1 to {MAX_LINES}, or 0 for {DEFAULT_LINES}")
        intake.check()
        now, limit = self._reads.clock.now(), request.limit or DEFAULT_LINES
        found = await self._reads.glance(
            request,
            lambda reader: reader.mini_statement(
                request.account_id, now=now, lines=limit, open_authorizations=MAX_OPEN_AUTHORIZATIONS
            ),
        )
        if found.result is None:
            raise unknown_account(request.account_id)
        (position,) = positions_message(found.positions)
        response = pb.GetMiniStatementResponse(
            open_authorizations=[await self._told(record, now) for record in found.result.open_authorizations],
            balance=translate.balance_message(found.result.balance),
            position=position,
        )
        for line in found.result.lines:
            translate.fill_line(response.lines.add(), line)
        return response

    async def GetStatement(self, request: pb.GetStatementRequest, context: Context) -> pb.GetStatementResponse:
        """Read every movement of a period, a page at a time."""
        page = self._reads.pager.page(request, LineCursor)
        intake = Intake()
        intake.account_id(request.account_id, "account_id")
        for field in ("period_start", "period_end"):
            if not request.HasField(field):
                intake.wrong(field, "MISSING", "is required")
        start = intake.time(request.period_start, "period_start")
        end = intake.time(request.period_end, "period_end")
        if not intake.violations and end <= start:
            intake.wrong("period_end", "ORDER", "is not later than period_start")
        axis = translate.AXES.get(request.axis)
        if axis is None:
            intake.wrong("axis", "UNKNOWN_VALUE", f"has no value {request.axis}")
        intake.check()
        reader, chosen = self._reads.reader, axis or Axis.RECORDED
        found = await self._reads.ask(
            request,
            lambda: reader.statement(
                request.account_id, start=start, end=end, axis=chosen, after=page.cursor, limit=page.size
            ),
        )
        if found.result is None:
            raise unknown_account(request.account_id)
        statement = found.result
        _check_room(
            "period_end",
            (statement.opening, statement.closing, statement.total_debits, statement.total_credits),
            (line.balance_after for line in statement.lines),
        )
        (position,) = positions_message(found.positions)
        response = pb.GetStatementResponse(
            account_id=statement.account_id,
            currency_code=statement.currency,
            opening_tyiyn=statement.opening,
            closing_tyiyn=statement.closing,
            total_debits_tyiyn=statement.total_debits,
            total_credits_tyiyn=statement.total_credits,
            next_page_token=self._reads.pager.token(request, statement.next),
            position=position,
        )
        for line in statement.lines:
            translate.fill_line(response.lines.add(), line)
        return response

    async def ListAuthorizations(
        self, request: pb.ListAuthorizationsRequest, context: Context
    ) -> pb.ListAuthorizationsResponse:
        """List the authorisations of an account or of a bank's accounts."""
        intake = Intake()
        account = participant = card = None
        match request.WhichOneof("owner"):
            case "account_id":
                account = intake.account_id(request.account_id, "account_id")
            case "participant_id":
                participant = intake.participant_id(request.participant_id, "participant_id")
            case "card_id":
                card = intake.known_id(request.card_id, "card_id")
            case None:
                intake.wrong("owner", "MISSING", "is required: an account_id, a participant_id or a card_id")
        states = [
            intake.choice(number, translate.STATES_BY_NUMBER, f"states[{index}]")
            for index, number in enumerate(request.states)
        ]
        intake.check()
        now, reader = self._reads.clock.now(), self._reads.reader

        def question(after: RecordCursor | None, limit: int) -> Answer[list[AuthorizationRecord]]:
            answer = reader.list_authorizations(
                account_id=account,
                participant=participant,
                card=card,
                states=states,
                now=now,
                after=after,
                limit=limit,
            )
            if account is not None and not answer.result and reader.account(account).result is None:
                raise unknown_account(account)
            return answer

        page = await self._reads.page(request, RecordCursor, question, lambda record: record.cursor)
        return pb.ListAuthorizationsResponse(
            authorizations=[await self._told(record, now) for record in page.items],
            next_page_token=page.next_page_token,
            positions=page.positions,
        )

    async def GetTrialBalance(self, request: pb.GetTrialBalanceRequest, context: Context) -> pb.GetTrialBalanceResponse:
        """Sum all accounts by currency and kind."""
        intake = Intake()
        moment = translate.as_of(intake, request.as_of, [])
        if isinstance(moment, AtPosition) and moment.partition >= self._reads.partitions:
            intake.wrong("as_of.position.partition", "UNKNOWN", f"is none of the ledger's {self._reads.partitions}")
        intake.check()
        now, reader = self._reads.clock.now(), self._reads.reader
        # What is recorded up to a time is one cut through all partitions.
        about = [moment.partition] if isinstance(moment, AtPosition) else range(self._reads.partitions)
        found = await self._reads.ask_as_of(request, moment, about, lambda: reader.trial_balance(now=now, as_of=moment))
        return pb.GetTrialBalanceResponse(
            lines=[told for line in found.result for told in translate.trial_balance_messages(line)],
            positions=positions_message(found.positions),
        )

    async def _told(self, record: AuthorizationRecord, now: int) -> authorization_pb2.Authorization:
        return await self._teller.authorization(record.authorization, now)


def _check_room(field: str, *figures: Iterable[int]) -> None:
    """Raise Refused where a figure of an answer has no room in its field.

    No balance ever comes so far. What moved in a long period may, and so may what had happened by some time of that
    which was recorded only later: in the order in which it was recorded, other money came in between.
    """
    if any(abs(figure) > translate.MOST for each in figures for figure in each):
        raise Refused(invalid(field, "TOO_MUCH", "asks for a sum beyond 2^63 - 1 tyiyn"))


def _accounts(intake: Intake, asked: Iterable[int], most: int) -> list[int]:
    """Return the accounts that a question names, noting too many of them, and one that is named twice."""
    accounts = list(asked)
    if not 1 <= len(accounts) <= most:
        intake.wrong("account_ids", "LENGTH", f"holds {len(accounts)} accounts, not 1 to {most:,}")
    if len(set(accounts)) < len(accounts):
        intake.wrong("account_ids", "DUPLICATE", "holds an account twice")
    for index, account in enumerate(accounts):
        intake.account_id(account, f"account_ids[{index}]")
    return accounts
