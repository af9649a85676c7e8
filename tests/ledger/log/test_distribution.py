"""What is asked of Citus. No cluster is at hand: functions of its names write down how they were called."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from ledger.log.distribution import DISTRIBUTED, REFERENCE, distribute
from ledger.log.factory import open_tables
from ledger.log.schema import metadata

CITUS = """
CREATE TABLE pg_dist_partition (logicalrelid regclass PRIMARY KEY, distributed_by text);
CREATE FUNCTION create_distributed_table(name regclass, distributed_by text) RETURNS void LANGUAGE sql AS
    'INSERT INTO pg_dist_partition VALUES (name, distributed_by)';
CREATE FUNCTION create_reference_table(name regclass) RETURNS void LANGUAGE sql AS
    'INSERT INTO pg_dist_partition VALUES (name, NULL)';
"""

pytestmark = pytest.mark.postgres


@pytest.fixture
def cluster(postgres_url: str) -> Iterator[Engine]:
    """Give a database with the functions of Citus that are called."""
    engine = open_tables(postgres_url)
    with engine.begin() as connection:
        connection.execute(text(CITUS))
    yield engine
    engine.dispose()


def test_every_table_is_spread_by_partition_once(postgres_url: str, cluster: Engine) -> None:
    """Tables that hold a partition are distributed by it, the others stand everywhere, and nothing is done twice."""
    assert distribute(postgres_url) == sorted(metadata.tables)
    assert distribute(postgres_url) == []
    with cluster.connect() as connection:
        found = connection.execute(text("SELECT logicalrelid::text, distributed_by FROM pg_dist_partition")).all()
    assert dict(map(tuple, found)) == dict.fromkeys(DISTRIBUTED, "partition") | dict.fromkeys(REFERENCE)
    assert REFERENCE == ("schema_versions",)


def test_every_unique_key_holds_the_partition() -> None:
    """Citus keeps no key unique that leaves out the column that a table is distributed by."""
    for name in DISTRIBUTED:
        table = metadata.tables[name]
        assert next(iter(table.primary_key.columns)).name == "partition"
        for index in table.indexes:
            assert not index.unique or next(iter(index.columns)).name == "partition"
        assert not table.foreign_keys


def test_a_file_is_not_distributed(sqlite_url: str) -> None:
    """Only PostgreSQL has Citus."""
    with pytest.raises(ValueError, match="PostgreSQL"):
        distribute(sqlite_url)
