"""Entry point of `python -m services.messaging`."""

from services.messaging.app import main
from shared.lifecycle import run

if __name__ == "__main__":
    run(main)
