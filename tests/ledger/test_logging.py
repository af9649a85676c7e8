"""What a process of the ledger leaves behind when it ends."""

import signal
import subprocess
import sys

_CRASH = """
import ctypes
from ledger.logging import configure_logging

def read_address_zero():
    ctypes.string_at(0)

configure_logging("json")
read_address_zero()
"""


def test_a_process_that_native_code_ends_says_where_it_was() -> None:
    """A segmentation fault ends a process at once: what it was about stands in its output all the same."""
    ended = subprocess.run([sys.executable, "-c", _CRASH], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in ended.stderr
    assert "in read_address_zero" in ended.stderr
