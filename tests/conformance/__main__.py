"""``python -m tests.conformance [FILE]``: play a file of scenarios, print differences and one line of JSON.

Exit codes: 0 when every scenario passed, 1 when one failed or the server did not run as it should, 2 when the file
cannot be played.
"""

import json
import sys
from pathlib import Path

from scripts.demo_server import ServerError
from scripts.scenarios import ScenarioError
from tests.conformance.runner import AUTHORIZATIONS, SUITE, run


def main(arguments: list[str]) -> int:
    """Play the file named by the only argument, or the one that stands here."""
    if len(arguments) > 1:
        sys.stderr.write("usage: python -m tests.conformance [FILE]\n")
        return 2
    failed = passed = 0
    broken = False
    try:
        for played in run(Path(arguments[0]) if arguments else AUTHORIZATIONS):
            if played.difference:
                failed += 1
                sys.stdout.write(f"FAILED {played.scenario.id} {played.scenario.title}\n  {played.difference}\n")
            else:
                passed += 1
                sys.stdout.write(f"passed {played.scenario.id} {played.scenario.title}\n")
    except ScenarioError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except ServerError as error:
        sys.stderr.write(f"{error}\n")
        broken = True
    sys.stdout.write(json.dumps({"suite": SUITE, "passed": passed, "failed": failed}) + "\n")
    return 1 if failed or broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
