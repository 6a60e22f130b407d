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
KEEPING = Group("Keeping", sort_key=4)

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
    ("intent", "mesh.cli.bulk:intent", WATCHING, "Show what a sequence of batches has done so far."),
    ("conflicts", "mesh.cli.conflicts:conflicts", RECORDS, "List what people changed without knowing of each other."),
    ("forks", "mesh.cli.forks:forks", WATCHING, "List writers whose disk was copied, with both branches."),
    ("end", "mesh.cli.ends:end", KEEPING, "Take back what a writer signed that is not to be trusted."),
    ("ends", "mesh.cli.ends:ends", WATCHING, "List the writers that an admin has ended."),
    ("resolve", "mesh.cli.conflicts:resolve", RECORDS, "Settle a field in conflict."),
    ("revert", "mesh.cli.past:revert", RECORDS, "Make a record what it was, as a new change."),
    ("undo", "mesh.cli.undo:undo", RECORDS, "Take back what an author wrote in a window."),
    ("history", "mesh.cli.past:history", WATCHING, "Show every change of a record."),
    ("batch", "mesh.cli.policies:batch", WATCHING, "Show one batch, and which of its changes still hold."),
    ("receipt", "mesh.cli.receipts:receipt", WATCHING, "Show whether batches that were written still count."),
    ("blame", "mesh.cli.past:blame", WATCHING, "Show who wrote each field of a record."),
    ("show", "mesh.cli.past:show", WATCHING, "Show a record as it was at a time or token."),
    ("diff", "mesh.cli.past:diff", WATCHING, "Show what differs in a record between two times or tokens."),
    ("held", "mesh.cli.held:held", WATCHING, "Show which writers wait here for what, or try them again."),
    ("void", "mesh.cli.held:void", WATCHING, "Show the batches that have no effect, and why."),
    ("prove", "mesh.cli.proving:prove", WATCHING, "Print a proof of who wrote a field."),
    (
        "verify-proof",
        "mesh.cli.proving:verify_proof",
        WATCHING,
        "Check a proof, with nothing but the mesh's CA certificate.",
    ),
    ("watch", "mesh.cli.looking:watch", WATCHING, "Print every change of a collection as it happens."),
    ("members", "mesh.cli.looking:members", WATCHING, "Show the members of the mesh."),
    ("why", "mesh.cli.looking:why", WATCHING, "Show why a member stands as it does."),
    ("reach", "mesh.cli.reaching:reach", WATCHING, "Show who reaches whom, and which paths fail."),
    ("state", "mesh.cli.looking:state", WATCHING, "Show what units and nodes say of themselves."),
    ("init", "mesh.cli.folders:init", RUNNING, "Make a mesh and its first node, or another node."),
    ("up", "mesh.cli.up:up", RUNNING, "Run a node."),
    ("verify", "mesh.cli.keeping:verify", KEEPING, "Check a node's ledger against its own signed log."),
    ("backup", "mesh.cli.keeping:backup", KEEPING, "Copy a node's ledger, also while it runs."),
    ("recover", "mesh.cli.keeping:recover", KEEPING, "Put a backup into a node's folder."),
    ("demo", "mesh.cli.demo:demo", RUNNING, "Run a small mesh on this machine and show it."),
)
for _name, _place, _group, _help in _COMMANDS:
    app.command(_place, name=_name, group=_group, help=_help)
policy = App(name="policy", group=RECORDS, help="Say what is shown of fields in conflict: set, list, explain.")
for _name, _help in (
    ("set", "Make a policy."),
    ("list", "List all policies."),
    ("explain", "Which one decides over a field."),
):
    policy.command(f"mesh.cli.policies:{_name}{'' if _name == 'explain' else '_'}", name=_name, help=_help)
app.command(policy)
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
