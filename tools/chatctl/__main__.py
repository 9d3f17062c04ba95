"""`python -m tools.chatctl`: the same as `chatctl`."""

from tools.chatctl.app import main

main()
