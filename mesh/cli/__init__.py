"""The `mesh` command."""


def main() -> None:
    """What the shell calls."""
    from mesh.cli.main import run  # Here, so that importing the package costs nothing.

    run()
