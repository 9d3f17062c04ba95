"""Entry point of `python -m services.notifier`."""

from services.notifier.app import main
from shared.lifecycle import run

if __name__ == "__main__":
    run(main)
