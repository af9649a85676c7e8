"""How the demonstration speaks: headings, lines, receipts in a frame, messages on a phone.

On a terminal it is coloured; into a file it is the same text. A scene that is played for a test has no audience, and a
voice that nobody hears.
"""

import io
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape

RECEIPT_COLUMNS: Final = 40
_KIND: Final = 3
"""The line of a receipt that says what was done."""


class Discrepancy(Exception):
    """The ledger is not what it should be; the message says in what."""


class Voice:
    """Says things to whoever watches."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @classmethod
    def unheard(cls) -> "Voice":
        """Return a voice that nobody hears."""
        return cls(Console(file=io.StringIO()))

    def heading(self, title: str) -> None:
        """Begin a part."""
        self.console.print(f"\n[bold]{title}[/]")

    def say(self, text: str) -> None:
        """Say a line of a part; markup is taken as such."""
        self.console.print(f"  {text}")

    def check(self, title: str, *, good: bool = True) -> None:
        """Say that something was looked at, and how it was found."""
        self.say(f"{'[green]✓[/]' if good else '[red]✗[/]'} {title}")

    def message(self, channel: str, whose: str, text: str) -> None:
        """Show a message on somebody's phone."""
        self.say(f"[cyan]▸ {channel} → {escape(whose)}:[/] {escape(text)}")

    def receipt(self, lines: Sequence[str]) -> None:
        """Show a receipt as it is printed."""
        self.say(f"[dim]┌{'─' * (RECEIPT_COLUMNS + 2)}┐[/]")
        for line in lines:
            self.say(f"[dim]│[/] {escape(line.ljust(RECEIPT_COLUMNS))} [dim]│[/]")
        self.say(f"[dim]└{'─' * (RECEIPT_COLUMNS + 2)}┘[/]")

    def slip(self, lines: Sequence[str]) -> None:
        """Show the receipt of an operation in short: its title, what it was, and what stands between the rules."""
        rules = [number for number, line in enumerate(lines) if set(line) == {"-"}]
        self.receipt([lines[0], lines[_KIND], *lines[rules[0] + 1 : rules[-1]]])
