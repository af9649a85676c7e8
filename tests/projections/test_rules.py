"""Registers of banks and proposals, and what counts against limits, as the tables tell them."""

from uuid import UUID

from domain.adjustment import AdjustmentProposed
from domain.authorization import AuthorizationReversed
from domain.limits import Spending, Used, give_back
from domain.participant import Names, ParticipantRegistered, ParticipantUpdated, participant_key
from domain.proposal import ProposalApproved, ProposalRejected, ProposalState
from domain.publishing import RulesProposed
from domain.rules import Holds, Operation
from projections.answers import RecordCursor
from tests.projections.world import DAY, World

AIDA, CARD = UUID(int=1 << 80), UUID(int=2 << 80)


def test_banks_are_listed_by_their_ids_as_they_are_now(world: World) -> None:
    """An update in a later batch replaces the row; a page goes on after the last one's id."""
    for name in ("bank-b", "bank-a", "bank-c"):
        names = Names(name, name, name)
        registered = ParticipantRegistered(participant=name, names=names, settlement_account=1, fee_account=2)
        world.append(registered, originator=participant_key(name))
    world.project(batch_size=2)
    renamed = Names("Б", "Б", "B")
    updated = ParticipantUpdated(participant="bank-b", names=renamed, settlement_account=3, fee_account=4)
    world.append(updated, originator=participant_key("bank-b"))
    world.project()
    found = world.reader.list_participants(limit=2).result
    assert [each.participant for each in found] == ["bank-a", "bank-b"]
    assert (found[1].names, found[1].fee_account, found[1].version) == (renamed, 4, 2)
    assert found[1].updated_at - found[1].created_at == world.now - found[1].created_at
    assert [each.participant for each in world.reader.list_participants(after="bank-b").result] == ["bank-c"]


def proposed(world: World, *, lasts: int = DAY) -> bytes:
    expires_at = world.now + lasts
    return world.append(
        AdjustmentProposed(debit_account=1, credit_account=2, amount=3, maker="m", expires_at=expires_at)
    )


def test_proposals_are_listed_newest_first_by_how_they_stand(world: World) -> None:
    """One that nobody decided in time is expired and no more open; those of another kind are not listed."""
    late, approved, rejected, waiting = (proposed(world, lasts=lasts) for lasts in (1, DAY, DAY, DAY))
    world.append(RulesProposed(after=0, holds=Holds(1), maker="m", expires_at=world.now))
    world.project(batch_size=3)
    world.append(ProposalApproved(checker="c"), originator=approved)
    world.append(ProposalRejected(checker="c"), originator=rejected)
    world.project()

    def listed(*states: ProposalState, limit: int = 9, after: RecordCursor | None = None, now: int = 0) -> list[bytes]:
        found = world.reader.list_proposals(
            AdjustmentProposed.TOPIC, states=states, now=now or world.now, limit=limit, after=after
        )
        return [each.originator_id for each in found.result]

    assert listed() == [waiting, rejected, approved, late]
    assert listed(ProposalState.OPEN) == [waiting]
    assert listed(ProposalState.EXPIRED, ProposalState.APPROVED) == [approved, late]
    assert listed(ProposalState.REJECTED) == [rejected]
    [(_, last)] = [each for each in world.events if each[0].originator_id == waiting]
    assert isinstance(last, AdjustmentProposed)
    for now, opened in ((last.expires_at - 1, True), (last.expires_at, False)):
        assert listed(ProposalState.OPEN, now=now) == ([waiting] if opened else [])
        assert listed(ProposalState.EXPIRED, now=now) == ([late] if opened else [waiting, late])
    first = world.reader.list_proposals(AdjustmentProposed.TOPIC, now=world.now, limit=2).result[-1]
    assert listed(after=RecordCursor(first.recorded_at, first.partition, first.position)) == [approved, late]


def test_what_was_taken_and_given_back_is_summed_between_two_times(world: World) -> None:
    """A return counts at the time of what it gives back; each subject has its own sums."""
    spending = Spending(Operation.TOP_UP, 100, AIDA, card=CARD)
    account, bank = world.open_account(), world.open_account()
    made = world.authorize(account, bank, 100, spending=spending)
    start, taken_at = world.now, world.now
    world.authorize(account, bank, 7, spending=Spending(Operation.QR_PAYMENT, 7, AIDA), lasts=DAY)
    between = world.now
    returned = give_back(spending, taken_at, 60, whole=False)
    world.append(
        AuthorizationReversed(account=account, released=60, by="acquirer", spending_returned=returned), originator=made
    )
    world.project()

    def used(who: UUID, *periods: tuple[int, int]) -> list[dict[Operation, Used]]:
        return world.reader.used(0, who.bytes, periods).result

    assert used(AIDA, (start, world.now + 1)) == [{Operation.TOP_UP: Used(1, 40), Operation.QR_PAYMENT: Used(1, 7)}]
    assert used(CARD, (start, world.now + 1), (start + 1, world.now + 1)) == [{Operation.TOP_UP: Used(1, 40)}, {}]
    assert used(AIDA, (start + 1, between), (between, world.now + 1)) == [{}, {Operation.QR_PAYMENT: Used(1, 7)}]
