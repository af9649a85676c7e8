"""What becomes of streams when the server stops: each is told its end, and none holds the stop up."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from google.rpc import error_details_pb2

from tests.rpc.test_notifications import Subscription, carded, gauge, many_transfers, narrow_channel, stub_of
from tests.rpc.world import PATIENCE, Bank, World, transfer
from tests.waiting import eventually


def test_a_stream_is_ended_when_the_server_stops(tmp_path: Path) -> None:
    """Open streams end with SHUTTING_DOWN and RetryInfo long before the grace is over, a slow reader's too."""
    with World(tmp_path) as world:
        bank = carded(Bank(world))
        streams = [Subscription(bank) for _ in range(3)]
        for stream in streams[:2]:
            stream.past()
        eventually(lambda: gauge(world) == len(streams))
        begun = time.monotonic()
        world.run(lambda: world.edge.stop(PATIENCE))
        assert time.monotonic() - begun < PATIENCE / 2
        for stream in streams:
            refusal = stream.end()
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
            assert refusal.has(error_details_pb2.RetryInfo)


def test_a_stream_whose_first_message_is_still_under_way_is_told_its_end(tmp_path: Path) -> None:
    """A reader that took nothing until the server was stopping reads its first messages and then SHUTTING_DOWN."""
    with World(tmp_path) as world, narrow_channel(world) as channel, ThreadPoolExecutor(1) as threads:
        bank = carded(Bank(world))
        many_transfers(bank)
        stream = Subscription(bank, timeout=None, stub=stub_of(channel))
        eventually(lambda: gauge(world) == 1)
        time.sleep(0.3)  # Until the server waits for the reader.
        stopping = threads.submit(lambda: world.run(lambda: world.edge.stop(PATIENCE)))
        eventually(lambda: gauge(world) == 0)
        refusal = stream.end()
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
        stopping.result(PATIENCE)


def test_a_reader_that_takes_nothing_does_not_hold_up_the_stop(tmp_path: Path) -> None:
    """A stream that cannot even be told its end is cut off when the grace is over, and not later."""
    with World(tmp_path) as world, narrow_channel(world) as channel:
        bank = carded(Bank(world))
        many_transfers(bank)
        stream = Subscription(bank, timeout=None, stub=stub_of(channel))
        stream.next()
        time.sleep(0.3)  # Until the server waits for the reader.
        begun = time.monotonic()
        world.run(lambda: world.edge.stop(1.0))
        assert time.monotonic() - begun < PATIENCE / 2
        assert gauge(world) == 0


def test_a_drained_server_opens_no_stream(tmp_path: Path) -> None:
    """While calls under way are waited for, a new stream is SHUTTING_DOWN."""
    with World(tmp_path) as world:
        bank = carded(Bank(world))
        world.engine.holding = True
        under_way = bank.ledger.transfers.CreateTransfer.future(transfer(bank.rich, bank.poor, 1), timeout=PATIENCE)
        eventually(lambda: world.log.head(0) == 9)
        stopping = world.begin(lambda: world.edge.stop(PATIENCE))
        eventually(lambda: Subscription(bank).end().reason == "SHUTTING_DOWN")
        assert not under_way.done()
        under_way.cancel()
        stopping.result(PATIENCE)
