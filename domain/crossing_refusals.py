"""The reasons for which transfers between partitions are refused: rows of ``domain.refusals.Reason``."""

from domain.refusal_kinds import Kind, Row

LEGS_BETWEEN_PARTITIONS = Row(
    Kind.INVALID,
    False,
    "A transfer to an account of another partition has no further legs.",
    "Send what the legs move as transfers of their own.",
)
TRANSFER_CROSSED = Row(
    Kind.STATE,
    True,
    "The transfer went to another partition, which a reversal does not reach.",
    "Send the money back with a transfer from the payee.",
)
ACCOUNT_RESERVED = Row(
    Kind.STATE,
    True,
    "The account is the ledger's own, for transfers between partitions, and serves nothing else.",
    "Use another account.",
)
CLEARING_NOT_OPEN = Row(
    Kind.UNAVAILABLE,
    False,
    "The partition's clearing account for transfers to other partitions is not open yet.",
    "Wait as told by RetryInfo, then send the same request again.",
)
