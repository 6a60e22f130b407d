"""What the commands print: results on stdout, as tables or JSON; everything else on stderr.

Invariant: `--json` prints nothing but JSON on stdout, one document, or one line per event.
"""

import os
import sys
from collections.abc import Iterable, Sequence

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mesh.errors import MeshError, UsageError

STYLES = {"alive": "green", "suspect": "yellow", "down": "red", "ended": "red", "left": "dim"}


def show_json(value: object) -> None:
    """Print a value as indented JSON."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def show_line(value: object) -> None:
    """Print a value as one line of JSON, at once."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


def show_text(text: str, style: str = "") -> None:
    """Print one line, at once."""
    Console(soft_wrap=True, highlight=False).print(escape(text), style=style or None)
    sys.stdout.flush()


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """Print a table. Where stdout is no terminal it is as wide as it has to be."""
    table = Table(*columns, title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_cell(text) for text in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1_000
    console.print(table)


def note(text: str) -> None:
    """Say something that is no result."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(escape(text))


def complain(error: BaseException) -> None:
    """Say what went wrong: what was expected, what came, and what to do."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    console.print(f"[bold red]mesh:[/] {escape(_said(error))}")
    if isinstance(error, UsageError):
        if error.rule and error.rule not in str(error):
            console.print(f"  rule: {escape(error.rule)}")
        if error.todo:
            console.print(f"  to do: {escape(error.todo)}")


def _said(error: BaseException) -> str:
    if isinstance(error, MeshError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'the system'}: {error.strerror}"
    if os.environ.get("MESH_TRACEBACK"):
        raise error
    return (
        f"this is a mistake of ours ({type(error).__name__}: {error}); nothing more is known of what was changed. "
        "Set MESH_TRACEBACK=1 to see where it happened, and report it"
    )


def _cell(text: str) -> str:
    style = STYLES.get(text)
    return f"[{style}]{escape(text)}[/]" if style else escape(text)


def counted(number: int, noun: str) -> str:
    """So many of them, in English: 1 batch, 2 batches."""
    ending = "" if number == 1 else "es" if noun.endswith("ch") else "s"
    return f"{number:,} {noun}{ending}"


def compact(value: object, characters_max: int = 100) -> str:
    """A value as JSON on one line, cut to a length."""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= characters_max else text[: characters_max - 1] + "…"
