"""The tables of the projections, one definition for SQLite and PostgreSQL.

Every key begins with the partition, and there is no sequence, lock or foreign key. Amounts are tyiyn, times
microseconds since the Unix epoch, ids the 16 bytes of a UUID. When anything here changes, ``SCHEMA_VERSION``
does too: the tables are then made again from the log, never migrated.
"""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
)

SCHEMA_VERSION: Final = 14

CURRENT: Final = 2**63 - 1
"""Stands in ``holds.until`` while the hold stands."""

LINES_A_MARK: Final = 16
"""Every such line of an account is in ``line_marks``."""

metadata = MetaData()


def _small(name: str) -> Column[Any]:
    return Column(name, SmallInteger, nullable=False, autoincrement=False)


def _integer(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False, autoincrement=False)


def _big(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, BigInteger, nullable=nullable, autoincrement=False)


def _text(name: str) -> Column[Any]:
    # Compared by bytes everywhere: faster than a language's order, and the same as Python's.
    return Column(name, Text().with_variant(Text(collation="C"), "postgresql"), nullable=False)


def _bytes(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, LargeBinary, nullable=nullable)


def _table(name: str, *columns: Column[Any], key: tuple[str, ...], in_order: bool = True) -> Table:
    """Define a table, kept in the order of its key on SQLite unless its rows are wide and come in another one."""
    return Table(name, metadata, *columns, PrimaryKeyConstraint(*key), sqlite_with_rowid=not in_order)


tracking = _table(
    "tracking",
    _small("partition"),
    _big("position"),
    _bytes("leaf_hash"),
    _big("recorded_at"),
    key=("partition",),
)
"""How far the tables reflect the log, and which event it was."""

recorded_times = _table(
    "recorded_times",
    _small("partition"),
    _big("chunk"),
    _big("first_at"),
    _bytes("times"),
    key=("partition", "chunk"),
)
"""When each event was recorded, 128 to a row: little-endian, 8 bytes each."""
Index("recorded_times_by_time", recorded_times.c.partition, recorded_times.c.first_at)

tiles = _table(
    "tiles",
    _small("partition"),
    _small("level"),
    _big("tile"),
    _bytes("hashes"),
    key=("partition", "level", "tile"),
    in_order=False,
)
"""The Merkle tree over the log's events: up to 256 hashes to a row, one after another (``projections.tiles``)."""

accounts = _table(
    "accounts",
    _small("partition"),
    _big("account_id"),
    _text("participant"),
    _text("kind"),
    _text("currency"),
    _text("number"),
    _big("overdraft_limit"),
    _big("minimum_balance"),
    _small("debits_frozen"),
    _small("credits_frozen"),
    _small("closed"),
    _integer("version"),
    _text("reference"),
    _text("tags"),
    _big("created_at"),
    _big("updated_at"),
    _big("opened_position"),
    key=("partition", "account_id"),
)
Index("accounts_by_participant", accounts.c.participant, accounts.c.account_id)
Index(
    "accounts_by_number",
    accounts.c.participant,
    accounts.c.number,
    sqlite_where=accounts.c.number != "",
    postgresql_where=accounts.c.number != "",
)

account_limits = _table(
    "account_limits",
    _small("partition"),
    _big("account_id"),
    _big("position"),
    _big("overdraft_limit"),
    _big("minimum_balance"),
    key=("partition", "account_id", "position"),
)
"""The limits of an account from a position on."""

balances = _table(
    "balances",
    _small("partition"),
    _big("account_id"),
    _big("posted"),
    _big("held"),
    _big("debits"),
    _big("movements"),
    _big("longest_delay"),
    _big("last"),
    key=("partition", "account_id"),
)
"""What an account has; ``debits`` sums what ever left it (modulo 2^64), ``movements`` counts its lines,
``longest_delay`` is the longest time from one happening to its being recorded, and ``last`` is the place of the last
line (``position << 16 | leg``), 0 where there is none."""

movements = _table(
    "movements",
    _small("partition"),
    _big("position"),
    _small("leg"),
    _big("debit_account"),
    _big("credit_account"),
    _big("amount"),
    _big("debit_posted"),
    _big("debit_debits"),
    _big("debit_movements"),
    _big("credit_posted"),
    _big("credit_debits"),
    _big("credit_movements"),
    _big("debit_before"),
    _big("credit_before"),
    _big("recorded_at"),
    _big("effective_time", nullable=True),
    _text("kind"),
    _bytes("source_id"),
    _small("source_type"),
    _text("reference"),
    _text("merchant_name"),
    key=("partition", "position", "leg"),
)
"""A movement and what it left on both sides: a line in the statements of two accounts.

``debit_posted`` is the debited account's balance right after it, ``debit_before`` the place of the line before it, and
so on. ``effective_time`` is NULL where it equals the recorded time. Rows only ever come at the end, and so stand there:
an index that leads from accounts to their lines would be written all over with every batch (``projections.lines``).
"""
for _side in ("debit", "credit"):
    Index(
        f"late_movements_by_{_side}",
        movements.c.partition,
        movements.c[f"{_side}_account"],
        movements.c.effective_time,
        movements.c.position,
        movements.c.leg,
        sqlite_where=movements.c.effective_time.is_not(None),
        postgresql_where=movements.c.effective_time.is_not(None),
    )

line_marks = _table(
    "line_marks",
    _small("partition"),
    _big("account_id"),
    _big("place"),
    key=("partition", "account_id", "place"),
)
"""Where every sixteenth line of an account stands."""

holds = _table(
    "holds",
    _small("partition"),
    _big("account_id"),
    _big("position"),
    _bytes("authorization_id"),
    _big("remaining"),
    _big("expires_at"),
    _big("until"),
    key=("partition", "account_id", "position"),
)
"""What an authorisation held of an account from ``position`` on, before ``until`` (CURRENT while it does)."""
Index("holds_by_end", holds.c.partition, holds.c.account_id, holds.c.until, holds.c.expires_at)

authorizations = _table(
    "authorizations",
    _small("partition"),
    _bytes("authorization_id"),
    _big("account_id"),
    _text("participant"),
    _text("state"),
    _big("remaining"),
    _big("expires_at"),
    _big("created_at"),
    _big("position"),
    _big("hold_position"),
    _bytes("card", nullable=True),
    _text("topic"),
    _bytes("details"),
    _bytes("figures"),
    key=("partition", "authorization_id"),
)
Index(
    "authorizations_by_account",
    authorizations.c.account_id,
    authorizations.c.created_at,
    authorizations.c.partition,
    authorizations.c.position,
)
Index(
    "authorizations_by_participant",
    authorizations.c.participant,
    authorizations.c.created_at,
    authorizations.c.partition,
    authorizations.c.position,
)
Index(
    "authorizations_by_card",
    authorizations.c.card,
    authorizations.c.created_at,
    authorizations.c.partition,
    authorizations.c.position,
    sqlite_where=authorizations.c.card.is_not(None),
    postgresql_where=authorizations.c.card.is_not(None),
)
Index(
    "open_authorizations",
    authorizations.c.account_id,
    authorizations.c.created_at,
    sqlite_where=authorizations.c.state == "open",
    postgresql_where=authorizations.c.state == "open",
)

resources = _table(
    "resources",
    _small("partition"),
    _bytes("resource_id"),
    _text("kind"),
    _text("state"),
    _big("lapses_at"),
    _big("created_at"),
    _big("position"),
    _bytes("body"),
    key=("partition", "resource_id"),
    in_order=False,
)
Index("resources_by_state", resources.c.kind, resources.c.state, resources.c.created_at)

resource_owners = _table(
    "resource_owners",
    _small("partition"),
    _text("kind"),
    _text("owner"),
    _bytes("resource_id"),
    _big("created_at"),
    _big("position"),
    _small("present"),
    key=("partition", "kind", "owner", "resource_id"),
)
"""Whose a thing is, or was: ``present`` is 0 once it is not any more."""
Index(
    "resources_by_owner",
    resource_owners.c.kind,
    resource_owners.c.owner,
    resource_owners.c.created_at,
    resource_owners.c.partition,
    resource_owners.c.position,
)

transfer_references = _table(
    "transfer_references",
    _small("partition"),
    _text("reference"),
    _big("recorded_at"),
    _big("position"),
    _bytes("transfer_id"),
    _text("caller"),
    key=("partition", "reference", "position"),
)
Index(
    "transfers_by_reference",
    transfer_references.c.reference,
    transfer_references.c.recorded_at,
    transfer_references.c.partition,
)

transfer_tags = _table(
    "transfer_tags",
    _small("partition"),
    _text("key"),
    _text("value"),
    _big("recorded_at"),
    _big("position"),
    _bytes("transfer_id"),
    _text("caller"),
    key=("partition", "key", "value", "position"),
)
Index(
    "transfers_by_tag",
    transfer_tags.c.key,
    transfer_tags.c.value,
    transfer_tags.c.recorded_at,
    transfer_tags.c.partition,
)

credit_lines = _table(
    "credit_lines",
    _small("partition"),
    _bytes("file_id"),
    _integer("line"),
    _big("position"),
    _small("refused"),
    key=("partition", "file_id", "line"),
)
"""Where the line of a credit file was decided, and whether it was refused."""
Index(
    "refused_credit_lines",
    credit_lines.c.partition,
    credit_lines.c.file_id,
    credit_lines.c.line,
    sqlite_where=credit_lines.c.refused == 1,
    postgresql_where=credit_lines.c.refused == 1,
)

notices = _table(
    "notices",
    _small("partition"),
    _big("position"),
    _integer("item"),
    _text("kind"),
    _small("channel"),
    _text("participant"),
    _big("account_id"),
    _bytes("customer"),
    _bytes("card"),
    _big("amount"),
    _big("fee"),
    _big("counterparty"),
    _text("category"),
    _text("merchant"),
    _big("happened"),
    _bytes("source_id"),
    key=("partition", "position", "item"),
)
"""What somebody is to be told of the event at ``position``, numbered from 0; ``customer`` is empty for the bank."""
for _owner in ("account_id", "customer"):
    Index(f"notices_by_{_owner}", notices.c[_owner], notices.c.position, notices.c.item)

notices_dropped = _table(
    "notices_dropped",
    _small("partition"),
    _big("position"),
    _integer("item"),
    key=("partition",),
)
"""The last notice that is kept no more, nor any before it. Tables made anew begin with that of the live ones."""

served_customers = _table(
    "served_customers",
    _small("partition"),
    _bytes("customer"),
    _text("participant"),
    key=("partition", "customer"),
)
"""The participant whose application a customer registered with."""

card_addresses = _table(
    "card_addresses",
    _small("partition"),
    _bytes("card_id"),
    _text("participant"),
    _big("account_id"),
    _text("masked"),
    _bytes("customer"),
    _small("sms"),
    key=("partition", "card_id"),
)
"""Whom the outbox tells of a card; ``customer`` is empty while it is nobody's."""
Index("card_addresses_by_account", card_addresses.c.partition, card_addresses.c.account_id)
Index("card_addresses_by_customer", card_addresses.c.partition, card_addresses.c.customer)

binding_addresses = _table(
    "binding_addresses",
    _small("partition"),
    _bytes("binding_id"),
    _bytes("card_id"),
    _bytes("customer"),
    key=("partition", "binding_id"),
)
"""Whom the outbox tells of a binding."""

token_addresses = _table(
    "token_addresses",
    _small("partition"),
    _bytes("token_id"),
    _bytes("card_id"),
    key=("partition", "token_id"),
)
"""The card whose holder the outbox tells of a token."""

payer_names = _table(
    "payer_names",
    _small("partition"),
    _bytes("file_id"),
    _text("name"),
    key=("partition", "file_id"),
)
"""The name that the payer of a credit file is shown by to who is paid."""

participants = _table(
    "participants",
    _small("partition"),
    _text("participant"),
    _text("name_ky"),
    _text("name_ru"),
    _text("name_en"),
    _big("settlement_account"),
    _big("fee_account"),
    _big("created_at"),
    _big("updated_at"),
    _integer("version"),
    key=("partition", "participant"),
)

proposals = _table(
    "proposals",
    _small("partition"),
    _bytes("proposal_id"),
    _text("topic"),
    _text("decided"),
    _big("expires_at"),
    _big("recorded_at"),
    _big("position"),
    key=("partition", "proposal_id"),
)
"""``decided`` is "open" until somebody approves or rejects, also when the time to do so is over."""
Index("proposals_by_topic", proposals.c.topic, proposals.c.recorded_at, proposals.c.partition, proposals.c.position)

spendings = _table(
    "spendings",
    _small("partition"),
    _bytes("subject"),
    _big("taken_at"),
    _big("position"),
    _small("entry"),
    _text("operation"),
    _small("operations"),
    _big("amount"),
    key=("partition", "subject", "taken_at", "position", "entry"),
)
"""What an event at ``position`` took of a customer's, card's or token's limits (entry 0), or gave back (1)."""
