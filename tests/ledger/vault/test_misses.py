"""Wrong tries of card details are counted before they are compared, by customer and by card."""

from concurrent.futures import ThreadPoolExecutor

from ledger.vault.misses import DAY
from ledger.vault.vault import Vault

ANA, BEK, CARD = b"a" * 16, b"b" * 16, b"c" * 16
NOW = 1_790_000_000_000_000


def test_tries_are_used_up_until_their_window_ends(vault: Vault) -> None:
    """The window begins with the first try, whenever the others were."""
    own = vault.misses
    assert [own.count([ANA], 2, NOW + each) for each in range(4)] == [None, None, ANA, ANA]
    assert own.count([BEK], 2, NOW) is None
    assert own.count([ANA], 2, NOW + DAY - 1) == ANA
    assert [own.count([ANA], 2, NOW + DAY + each) for each in range(3)] == [None, None, ANA]


def test_a_card_is_counted_whoever_tries_it(vault: Vault) -> None:
    """Where the card's tries are used up, the customer's is not counted either."""
    own = vault.misses
    assert own.count([ANA, CARD], 1, NOW) is None
    assert own.count([BEK, CARD], 1, NOW) == CARD
    assert own.count([BEK], 1, NOW) is None
    assert own.count([ANA, CARD], 1, NOW) == ANA


def test_a_right_try_is_taken_back_alone(vault: Vault) -> None:
    """What was missed before it stays missed, and nobody has more tries than the rule allows."""
    own = vault.misses
    own.count([ANA], 2, NOW)
    own.count([ANA], 2, NOW)
    own.take_back([ANA])
    assert [own.count([ANA], 2, NOW) for _ in range(2)] == [None, ANA]
    for _ in range(5):
        own.take_back([ANA, BEK])
    assert [own.count([ANA], 2, NOW) for _ in range(3)] == [None, None, ANA]


def test_many_tries_at_once_are_no_more_than_one_after_another(vault: Vault) -> None:
    """However many guesses arrive together, only as many as the rule allows are compared."""
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda _: vault.misses.count([ANA, CARD], 5, NOW), range(20)))
    assert found.count(None) == 5
