"""Entry point of `python -m services.media`."""

from services.media.app import main
from shared.lifecycle import run

if __name__ == "__main__":
    run(main)
