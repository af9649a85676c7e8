"""Wrong tries of card details are counted before they are compared, by customer and by card."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event

from domain.times import DAY
from ledger.vault import misses as module
from ledger.vault.errors import VaultUnavailable
from ledger.vault.misses import Misses
from ledger.vault.vault import Vault

ANA, BEK, CARD = b"a" * 16, b"b" * 16, b"c" * 16
NOW = 1_790_000_000_000_000


def miss(own: Misses, whose: Sequence[bytes], limit: int, now: int = NOW) -> bytes | None:
    """Try, and be wrong."""
    used_up = own.admit(whose, limit, now)
    if used_up is None:
        own.wrong(whose, now)
    return used_up


def test_tries_are_used_up_until_their_window_ends(vault: Vault) -> None:
    """The window begins with the first try, whenever the others were."""
    own = vault.misses
    assert [miss(own, [ANA], 2, NOW + each) for each in range(4)] == [None, None, ANA, ANA]
    assert miss(own, [BEK], 2) is None
    assert miss(own, [ANA], 2, NOW + DAY - 1) == ANA
    assert [miss(own, [ANA], 2, NOW + DAY + each) for each in range(3)] == [None, None, ANA]


def test_a_card_is_counted_whoever_tries_it(vault: Vault) -> None:
    """Where the card's tries are used up, the customer's is not counted either."""
    own = vault.misses
    assert miss(own, [ANA, CARD], 1) is None
    assert miss(own, [BEK, CARD], 1) == CARD
    assert miss(own, [BEK], 1) is None
    assert miss(own, [ANA, CARD], 1) == ANA


def test_a_right_try_is_forgotten_alone(vault: Vault) -> None:
    """What was missed before it stays missed, and nobody has more tries than the rule allows."""
    own = vault.misses
    assert miss(own, [ANA], 2) is None
    for _ in range(5):
        assert own.admit([ANA, BEK], 2, NOW) is None
        own.right([ANA, BEK])
    assert [miss(own, [ANA], 2) for _ in range(2)] == [None, ANA]
    assert [miss(own, [BEK], 2) for _ in range(3)] == [None, None, BEK]


def test_a_try_counts_from_before_it_is_compared(vault: Vault) -> None:
    """Until it is known to be right it stands in the way of others, and what was refused stands in nobody's."""
    own = vault.misses
    assert [own.admit([ANA], 2, NOW) for _ in range(3)] == [None, None, ANA]
    own.right([ANA])
    assert [own.admit([ANA], 2, NOW) for _ in range(2)] == [None, ANA]


def test_many_tries_at_once_are_no_more_than_one_after_another(vault: Vault) -> None:
    """However many guesses arrive together, only as many as the rule allows are compared."""
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: miss(vault.misses, [ANA, CARD], 5), range(20)))
    assert found.count(None) == 5


def test_a_wrong_try_is_kept_over_a_restart(vault: Vault) -> None:
    """It stands in the database by the time anybody hears of it."""
    assert miss(vault.misses, [ANA], 1) is None
    assert Misses(vault._engine).admit([ANA], 1, NOW) == ANA


def test_a_right_try_writes_nothing(vault: Vault) -> None:
    """Most tries are right, and each commit that writes waits for the disk."""
    said: list[str] = []
    event.listen(vault._engine, "before_cursor_execute", lambda *call: said.append(call[2]))
    assert vault.misses.admit([ANA, CARD], 5, NOW) is None
    vault.misses.right([ANA, CARD])
    assert [each.split()[0] for each in said if not each.startswith(("PRAGMA", "BEGIN"))] == ["SELECT"]


def test_a_wrong_try_that_cannot_be_written_counts_all_the_same(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or whoever fills the disk could guess for ever: what fails is wrong, what succeeds is right."""

    def broken(_: object) -> object:
        raise VaultUnavailable("no space is left")

    assert vault.misses.admit([ANA], 1, NOW) is None
    with monkeypatch.context() as patch:
        patch.setattr(module, "begin", broken)
        with pytest.raises(VaultUnavailable):
            vault.misses.wrong([ANA], NOW)
    assert vault.misses.admit([ANA], 1, NOW) == ANA
