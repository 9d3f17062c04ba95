"""`python -m tools.stack`: see `cli`."""

from tools.stack.cli import main

if __name__ == "__main__":
    main()
