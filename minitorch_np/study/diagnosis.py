"""What an examination of gradients found."""

from __future__ import annotations

from typing import NamedTuple


class Finding(NamedTuple):
    """Something wrong: with which gradient, what was measured, and what probably causes it."""

    name: str
    what: str
    suspect: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.what}" + (f"\n    {self.suspect}" if self.suspect else "")


class Diagnosis:
    """What was found: `findings`, true where there are none; `errors`, the worst error of each gradient."""

    def __init__(self, subject: str) -> None:
        self.subject = subject
        self.findings: list[Finding] = []
        self.errors: dict[str, float] = {}
        self.kinks: dict[str, int] = {}

    def __bool__(self) -> bool:
        return not self.findings

    def add(self, name: str, what: str, suspect: str = "") -> None:
        self.findings.append(Finding(name, what, suspect))

    def __str__(self) -> str:
        lines = [f"{self.subject} has a wrong gradient:" if self.findings else f"{self.subject} is right"]
        lines += [f"  {finding}" for finding in self.findings]
        lines += [f"  {name}: {count} elements stand on a kink" for name, count in self.kinks.items() if count]
        return "\n".join(lines)
