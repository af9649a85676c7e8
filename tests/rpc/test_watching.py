"""An engine and the metrics are told how far behind the projections are."""

from prometheus_client import REGISTRY

from ledger.rpc.projector import watch_projections
from tests.rpc.world import Bank
from tests.waiting import eventually


def test_what_is_not_projected_counts_by_its_age(bank: Bank) -> None:
    """While projections stand still, they are as far behind as their oldest missing event is old; then not at all."""
    world = bank.world
    engine = world.engine.real
    watching = world.begin(lambda: watch_projections([engine], world._reader))
    world.hold_projections()

    def behind() -> bool:
        bank.move(bank.rich, bank.poor, 1)
        return engine.projections_behind >= 0.5 and sample("seconds") >= 0.5

    eventually(behind)
    assert sample("events") >= 1
    world.resume_projections()
    eventually(lambda: engine.projections_behind == 0)
    watching.cancel()


def sample(unit: str) -> float:
    """Return what Prometheus would be told."""
    value = REGISTRY.get_sample_value(f"esep_projection_lag_{unit}")
    assert value is not None
    return value
