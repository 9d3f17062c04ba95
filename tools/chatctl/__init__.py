"""`chatctl`: a person's hand on the system. Every failure says what to do."""

from tools.chatctl.app import main

__all__ = ["main"]
