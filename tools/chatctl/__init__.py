"""`chatctl`: the command-line tool for operators and developers. Every failure says what to do."""

from tools.chatctl.app import main

__all__ = ["main"]
