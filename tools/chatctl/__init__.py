"""`chatctl`: a person's hand on the system. Every failure says what to do."""


def main() -> None:
    """Run the command that the arguments name."""
    # Here and not above: what stands behind a command (tools.doctor, tools.probe) uses this package's failures and targets.
    from tools.chatctl.app import main as run

    run()
