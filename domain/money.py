"""Money is a whole number of tyiyn (1 som = 100 tyiyn) in one currency; no float enters, two currencies never add.

The bounds make overflow impossible everywhere the figures go: in SQL ``bigint``, protobuf ``int64`` and JSON.
"""

from typing import Final

MAX_AMOUNT: Final = 10**15
"""The largest amount of one movement, hold or limit, in tyiyn."""

MAX_BALANCE: Final = 2**62
"""No posted or held balance ever leaves ``-MAX_BALANCE … MAX_BALANCE``."""

SOM: Final = "KGS"
