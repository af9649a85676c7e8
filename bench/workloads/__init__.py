"""The workloads, one a file, each a ``WORKLOAD``: whatever stands here is measured."""

from importlib import import_module
from pkgutil import iter_modules

from bench.session import Workload


def workloads() -> list[Workload]:
    """Return every workload, in the order of their files' names."""
    found = []
    for module in sorted(iter_modules(__path__, f"{__name__}."), key=lambda module: module.name):
        workload: Workload = import_module(module.name).WORKLOAD
        found.append(workload)
    return found
