"""Whatever reads text or bytes from outside, under any bytes: it may refuse them, it never fails."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.domain.qr.codes import RELAXED
from tests.fuzz.parsers import NAMES
from tests.fuzz.targets import Targets


@pytest.fixture(scope="module")
def targets() -> Iterator[Targets]:
    with Targets() as made:
        yield made


@pytest.mark.parametrize("name", NAMES)
def test_a_parser_refuses_and_never_fails(targets: Targets, name: str) -> None:
    """Any bytes, any text, and good input cut, stretched and mixed up."""
    target, seeds = targets.named[name]
    good = st.sampled_from([text.encode() for text in seeds])

    @settings(RELAXED, max_examples=60, derandomize=True, database=None)
    @given(
        st.binary(max_size=300)
        | st.text(max_size=100).map(str.encode)
        | st.builds(
            lambda data, at, more, left: data[:at] + more + data[at + left :],
            good,
            st.integers(0, 400),
            st.binary(max_size=8) | st.text(max_size=4).map(str.encode),
            st.integers(0, 6),
        )
    )
    def read(data: bytes) -> None:
        target(data)

    for text in seeds:
        target(text.encode())
    read()


def test_every_parser_is_run(targets: Targets) -> None:
    """A target that is added is fuzzed."""
    assert set(NAMES) == set(targets.named)
