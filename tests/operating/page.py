"""The commands of a page that its tests run, which the general test of pages cannot: they need machines, or places."""

import re
from pathlib import Path

_BLOCK = re.compile(r"^<!-- not run: [^\n]+ runs this as (\w+) -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(page: Path) -> dict[str, str]:
    """Return the blocks that are run, by name."""
    return dict(_BLOCK.findall(page.read_text(encoding="utf-8")))
