"""Typing indicators: shown to the other participant, never stored."""
