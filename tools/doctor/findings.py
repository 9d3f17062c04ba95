"""Findings of the checks."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The level of a finding. Only a fault makes `chatctl doctor` fail."""

    OK = "ok"
    NOTE = "note"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `part`: what was looked at; `remedy`: what to do, '' when there is nothing to do."""

    part: str
    level: Level
    text: str
    remedy: str = ""


class Report:
    """Collects the findings of one part, in order."""

    def __init__(self, part: str) -> None:
        self._part = part
        self.findings: list[Finding] = []

    def ok(self, text: str) -> None:
        """Add that something is fine."""
        self.findings.append(Finding(self._part, Level.OK, text))

    def note(self, text: str, remedy: str) -> None:
        """Add a hint: the system works, but an operator should know this."""
        self.findings.append(Finding(self._part, Level.NOTE, text, remedy))

    def fault(self, text: str, remedy: str) -> None:
        """Add a fault: something doesn't work, or will fail."""
        self.findings.append(Finding(self._part, Level.FAULT, text, remedy))

    def judge(self, text: str, fault: str | None, remedy: str) -> None:
        """Add `fault` with its remedy, or `text` when `fault` is None."""
        if fault is None:
            self.ok(text)
        else:
            self.fault(fault, remedy)
