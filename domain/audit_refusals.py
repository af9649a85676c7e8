"""The reasons for which questions about what is recorded are refused: rows of ``domain.refusals.Reason``."""

from domain.refusal_kinds import Kind, Row

AGGREGATE_NOT_FOUND = Row(
    Kind.NOT_FOUND,
    False,
    "There is no such aggregate.",
    "Check the id; what an account has and holds is read by ExplainBalance.",
)
REPLAY_TOO_FAR = Row(
    Kind.INVALID,
    False,
    "More events would have to be replayed than one question may ask for.",
    "Ask for an earlier decision first, and go on in the order of the log.",
)
ARCHIVE_UNREADABLE = Row(
    Kind.UNAVAILABLE,
    False,
    "An archived event is needed, and its segment of the archive is missing or was changed; nothing was recorded.",
    "Have the segment in the metadata put back, then send the same request again.",
)
OUTCOME_NOT_FOUND = Row(
    Kind.NOT_FOUND,
    False,
    "No outcome is recorded under this request id.",
    "Send the request again with the same id; it may still be on its way.",
)
