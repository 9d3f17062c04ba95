"""Entry point of `python -m services.presence`."""

from services.presence.app import main
from shared.lifecycle import run

if __name__ == "__main__":
    run(main)
