"""Container updaters: each side's tells the other side's account server, and they take turns on the same databases."""

from __future__ import annotations

import json
import logging
import time

import pytest

from fakes.ports import free_port
from interop import rings
from interop.lab import SIDES, Lab
from swiftlite.container.backend import ContainerBroker
from swiftlite.core.names import HashPath
from swiftlite.db import layout
from swiftlite.ring.ring import Ring

NOW = int(time.time()) - 1000
ACCOUNT, CONTAINER = "AUTH_t", "cø%"


def stamp(seconds: int) -> dict[str, str]:
    return {"X-Timestamp": f"{NOW + seconds}.00000"}


@pytest.mark.parametrize("first", SIDES)
def test_updaters_take_turns(lab: Lab, first: str) -> None:
    """One side's updater and container server; the other's account server and, at last, updater."""
    second = SIDES[1 - SIDES.index(first)]
    port = free_port()
    rings.make(lab.swift_dir, {"account": [f"127.0.0.1:{port}/d1"]})
    hash_path = HashPath(b"pre", b"suf")
    partition = Ring(lab.swift_dir, "account", hash_path=hash_path).partition(ACCOUNT)
    devices = lab.devices()
    containers = lab.launch(first, "container", devices)
    accounts = lab.launch(second, "account", devices, ("127.0.0.1", port))
    lab.wait_up([containers, accounts])
    account, path = f"/d1/{partition}/{ACCOUNT}", f"/d1/3/{ACCOUNT}/{CONTAINER}"
    assert accounts.ask("PUT", account, stamp(0)).status == 201
    assert containers.ask("PUT", path, {**stamp(1), "X-Backend-Storage-Policy-Index": "1"}).status == 201
    assert containers.ask("PUT", "/d1/3/nobody/c", stamp(1)).status == 201
    row = {"X-Size": "5", "X-Content-Type": "text/plain", "X-Etag": "e", "X-Backend-Storage-Policy-Index": "1"}
    assert containers.ask("PUT", f"{path}/o", {**stamp(2), **row}).status == 201
    conf = lab.write_conf("container", devices, ("127.0.0.1", free_port()), "\n[container-updater]\n")

    def listing() -> list[tuple[str, int, int]]:
        body = accounts.ask("GET", account, query="format=json").body
        return [(entry["name"], entry["count"], entry["bytes"]) for entry in json.loads(body)]

    def reported() -> tuple[object, ...]:
        device, name_hash = str(devices / "d1"), hash_path.hex(ACCOUNT, CONTAINER)
        database = layout.database_path(device, "container", "3", name_hash)
        info = ContainerBroker(database, ACCOUNT, CONTAINER, logger=logging.getLogger("test")).get_info()
        keys = ("put_timestamp", "delete_timestamp", "object_count", "bytes_used")
        assert [info[f"reported_{key}"] for key in keys] == [info[key] for key in keys]
        return tuple(info[key] for key in keys)

    lab.run_once(first, "container-updater", conf)
    assert listing() == [(CONTAINER, 1, 5)]
    assert reported()[2:] == (1, 5)
    assert (devices / "d1/quarantined/containers" / hash_path.hex("nobody", "c")).is_dir()
    assert containers.ask("DELETE", f"{path}/o", {**stamp(3), "X-Backend-Storage-Policy-Index": "1"}).status == 204
    assert containers.ask("PUT", "/d1/3/nobody/c2", stamp(1)).status == 201
    lab.run_once(second, "container-updater", conf)
    assert listing() == [(CONTAINER, 0, 0)]
    assert containers.ask("DELETE", path, stamp(4)).status == 204
    lab.run_once(first, "container-updater", conf)
    assert listing() == []
    assert reported()[1:] == (f"{NOW + 4}.00000", 0, 0)
    assert (devices / "d1/quarantined/containers" / hash_path.hex("nobody", "c2")).is_dir()
