"""Spooled container updates: what one side could not deliver, the other side's updater does."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest

from fakes.ports import free_port
from interop import rings
from interop.lab import Lab
from swiftlite.core.names import HashPath
from swiftlite.obj.async_pending import RowUpdate
from swiftlite.ring.ring import Ring

NOW = int(time.time()) - 1000
NAME = "é 漢\n%2F"


@pytest.mark.parametrize("spooler, updater", [("ours", "theirs"), ("theirs", "ours")])
def test_the_updater_of_one_delivers_what_the_other_spooled(lab: Lab, spooler: str, updater: str) -> None:
    port = free_port()
    rings.make(lab.swift_dir, {"container": [f"127.0.0.1:{port}/d1"]})
    partition = Ring(lab.swift_dir, "container", hash_path=HashPath(b"pre", b"suf")).partition("AUTH_t", "cø")
    devices = lab.devices()
    objects = lab.start(spooler, "object", devices)
    order = {
        "Content-Type": "text/plain",
        "X-Container-Host": f"127.0.0.1:{port}",
        "X-Container-Device": "d1",
        "X-Container-Partition": str(partition),
    }
    path = f"/d1/7/AUTH_t/cø/{NAME}"
    # Nobody listens on the container server's port.
    assert objects.ask("PUT", path, {**order, "X-Timestamp": f"{NOW + 1}.00000"}, b"hello").status == 201
    assert objects.ask("PUT", f"{path}/gone", {**order, "X-Timestamp": f"{NOW + 1}.00000"}, b"x").status == 201
    assert objects.ask("DELETE", f"{path}/gone", {**order, "X-Timestamp": f"{NOW + 2}.00000"}).status == 204
    post = {**order, "Content-Type": "text/new", "X-Timestamp": f"{NOW + 3}.00000"}
    assert objects.ask("POST", path, post).status == 202
    spool = [path for path in devices.glob("*/async_pending/*/*") if path.is_file()]
    assert len(spool) >= 3
    if spooler == "ours":
        # Who was told by the object server itself is a key of ours, which theirs must not stumble over.
        for path in spool:
            update = RowUpdate.from_pickle(path.read_bytes())
            path.write_bytes(replace(update, told=("127.0.0.1:1/d9",)).to_pickle())

    containers = lab.start(updater, "container", devices, ("127.0.0.1", port))
    made = containers.ask("PUT", f"/d1/{partition}/AUTH_t/cø", {"X-Timestamp": f"{NOW}.00000"})
    assert made.status == 201
    conf = lab.write_conf("object", devices, ("127.0.0.1", free_port()), "\n[object-updater]\nconcurrency = 1\n")
    lab.run_once(updater, "object-updater", conf)
    assert [path for path in devices.glob("*/async_pending/*/*") if path.is_file()] == []
    listing = json.loads(containers.ask("GET", f"/d1/{partition}/AUTH_t/cø", query="format=json").body)
    assert [(entry["name"], entry["bytes"], entry["content_type"]) for entry in listing] == [(NAME, 5, "text/new")]
