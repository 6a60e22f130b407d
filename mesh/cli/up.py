"""`mesh up`: run one node until it is told to stop.

Invariant: SIGTERM and SIGINT end in a farewell to the mesh, closed files and exit code 0.
"""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import SystemRandom
from typing import Annotated

import msgspec
import trio
from cyclopts import Parameter

from mesh.api.service import Service
from mesh.cli.output import note
from mesh.config import Config, read_config
from mesh.errors import UsageError
from mesh.ids import Address
from mesh.runtime.interpreter import spare_the_loop
from mesh.runtime.journal import keep_journal
from mesh.runtime.node import Node, Options
from mesh.runtime.reach import REACH_TOPIC, Reach, reach
from mesh.runtime.start import open_node
from mesh.units.keeper import Keeper
from mesh.units.simulated import SimulatedDriver

SELF_REPORT_S = 5.0  # How often a node says on its board how it is.
PORT = 7700


def parse_address(text: str) -> Address:
    """`host:port` or `[v6]:port` as an address. Raises UsageError."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(
            f"an address HOST:PORT was expected, {text!r} came", field="seed", todo="give for example 10.0.0.7:7700"
        )
    return Address(host.strip("[]"), int(port))


async def up(
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    advertise: str = "",
    seed: Annotated[tuple[str, ...], Parameter(consume_multiple=True)] = (),
    config: Path | None = None,
    quiet: bool = False,
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> None:
    """Run the node in FOLDER until SIGTERM or Ctrl-C.

    Parameters
    ----------
    folder
        The node's folder, made by `mesh init`.
    host
        The address to listen at; 0.0.0.0 for all. Peers, browsers and clients use the same port.
    port
        The TCP and UDP port; 0 takes a free one.
    advertise
        The numeric address that other nodes should use, where it is not HOST.
    seed
        HOST:PORT of any other node; may be given several times. Nodes once met are remembered.
    config
        A TOML file with knobs to turn, for example `[gossip]` and `probe_interval_s = 2`; MESH_GOSSIP__… overrules it.
    quiet
        Write no journal to stderr.
    json_
        Print where the node listens as one JSON line.
    """
    if host in ("0.0.0.0", "::") and not advertise:
        raise UsageError(
            f"other nodes cannot be told to call {host}",
            field="--advertise",
            todo="give --advertise with the numeric address of this host that they can reach",
        )
    seeds = tuple(parse_address(text) for text in seed)
    options = Options(host=host, port=port, advertise=advertise, seeds=seeds, config=_configured(config))
    async with open_node(folder, options) as node, _attended(node, quiet):
        spare_the_loop()
        for line in (*node.notes, *([] if node.storage == "ok" else [node.storage])):
            note(line)
        _say_ready(node, json_)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                break
    _say_stopped(node, json_)


def _configured(file: Path | None) -> Config:
    try:
        return read_config(file.read_text() if file is not None else "", os.environ)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}", field="--config") from None


@asynccontextmanager
async def _attended(node: Node, quiet: bool) -> AsyncIterator[None]:
    """The API, the units and the journal around a node; they end before it does."""
    service = Service(node)
    node.on_http = service.on_http
    keeper = Keeper(node, SimulatedDriver, SystemRandom())
    async with trio.open_nursery() as nursery:
        await nursery.start(service.run)
        await nursery.start(keeper.run)
        nursery.start_soon(_report_for_ever, node, keeper)
        if not quiet:
            nursery.start_soon(keep_journal, node)
        yield
        nursery.cancel_scope.cancel()


async def _report_for_ever(node: Node, keeper: Keeper) -> None:
    row = Reach()
    while True:
        health = node.health()
        row = reach(node.loop.peer, row)
        node.publish(REACH_TOPIC, msgspec.to_builtins(row))
        node.publish(
            "node", {"version": health.version, "fingerprint": health.fingerprint, "units": len(keeper.host.status())}
        )
        await trio.sleep(SELF_REPORT_S)


def _say_ready(node: Node, as_json: bool) -> None:
    if as_json:
        ready = {"name": node.name, "url": node.url, "address": str(node.address), "node": node.identity.node.hex()}
        sys.stdout.write(json.dumps(ready) + "\n")
    else:
        sys.stdout.write(f"{node.name} of mesh {node.identity.mesh_name} serves {node.url} (Ctrl-C to leave)\n")
    sys.stdout.flush()


def _say_stopped(node: Node, as_json: bool) -> None:
    if not as_json:
        sys.stdout.write(f"{node.name} has left the mesh\n")
