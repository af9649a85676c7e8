"""What a customer's retentions look like when there have been very many."""

from domain.retention import Authority, Retention, RetentionReason
from ledger.rpc.translate.retention import MOST_ENDED, retentions_message


def retention(number: int, lifted_at: int | None) -> Retention:
    return Retention(
        number.to_bytes(16, "big"), RetentionReason.DISPUTE, Authority.BANK, str(number), number, lifted_at=lifted_at
    )


def test_all_that_stand_are_told_and_the_newest_that_have_ended() -> None:
    """However many there were, the answer stays small, and nothing that forbids erasing is left out."""
    standing, ended = [retention(1, None)], [retention(number, 1_000) for number in range(2, MOST_ENDED + 12)]
    for all_of_them in ((*standing, *ended), (*ended, *standing)):
        told = [int(each.reference) for each in retentions_message(all_of_them, 2_000)]
        assert sorted(told) == [1, *range(12, MOST_ENDED + 12)]
        assert told.index(1) == (0 if all_of_them[0] is standing[0] else MOST_ENDED)
    assert len(retentions_message(tuple(ended[:MOST_ENDED]), 2_000)) == MOST_ENDED
