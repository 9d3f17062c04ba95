"""Typing indicators: taken from their own queue, shown to the other participant, never stored."""
