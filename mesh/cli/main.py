"""The command line: which commands there are, and how each of them ends.

Invariant: exit code 0 is success, 1 a failure that was explained on stderr, 2 a wrong command line, 130 Ctrl-C; nobody is shown
a traceback.

Commands are named and not imported, so that `mesh get` does not pay for what `mesh up` needs.
"""

import sys
from collections.abc import Iterator, Sequence

from cyclopts import App, Group

FAILED = 1
INTERRUPTED = 130  # 128 + SIGINT, as shells say it.

RECORDS = Group("Records", sort_key=1)
WATCHING = Group("Looking", sort_key=2)
RUNNING = Group("Running", sort_key=3)

app = App(
    name="mesh",
    help="The metadata of a !CHAOS installation, served by every node of it.",
    backend="trio",
    result_action="return_value",
    version_flags=["--version"],
)

_COMMANDS = (
    ("get", "mesh.cli.records:get", RECORDS, "Show one record."),
    ("put", "mesh.cli.records:put", RECORDS, "Make a record exactly what is given."),
    ("patch", "mesh.cli.records:patch", RECORDS, "Merge into a record; null clears."),
    ("bury", "mesh.cli.records:bury", RECORDS, "Hide a record; nothing of it is lost."),
    ("restore", "mesh.cli.records:restore", RECORDS, "Show a buried record again."),
    ("list", "mesh.cli.records:list_", RECORDS, "List the records of a collection."),
    ("import", "mesh.cli.importing:import_", RECORDS, "Bring in a !CHAOS configuration file."),
    ("watch", "mesh.cli.looking:watch", WATCHING, "Print every change of a collection as it happens."),
    ("members", "mesh.cli.looking:members", WATCHING, "Show the members of the mesh."),
    ("state", "mesh.cli.looking:state", WATCHING, "Show what units and nodes say of themselves."),
    ("init", "mesh.cli.folders:init", RUNNING, "Make a mesh and its first node, or another node."),
    ("up", "mesh.cli.up:up", RUNNING, "Run a node."),
    ("demo", "mesh.cli.demo:demo", RUNNING, "Run a small mesh on this machine and show it."),
)
for _name, _place, _group, _help in _COMMANDS:
    app.command(_place, name=_name, group=_group, help=_help)
app.register_install_completion_command()


def run(arguments: Sequence[str] | None = None) -> None:
    """Carry out one command line, and end the program."""
    sys.exit(outcome(arguments))


def outcome(arguments: Sequence[str] | None = None) -> int:
    """The exit code of one command line. What went wrong is said on stderr."""
    try:
        result = app(arguments)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # `mesh list … | head` has seen enough.
        return FAILED
    except (Exception, BaseExceptionGroup) as error:  # Ctrl-C comes out of trio's nurseries in a group.
        return _explain(error)
    return result if isinstance(result, int) else 0


def _explain(error: BaseException) -> int:
    from mesh.cli.output import complain  # Here, because most commands succeed.

    causes = list(_leaves(error))
    if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
        return INTERRUPTED
    for cause in causes:
        complain(cause)
    return FAILED


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
