"""`chatctl`: the command-line tool for operators and developers. Every failure says what to do."""


def main() -> None:
    """Run the command that the arguments name."""
    # Imported here, because the commands' modules (tools.doctor, tools.probe) use this package's failures and targets.
    from tools.chatctl.app import main as run

    run()
