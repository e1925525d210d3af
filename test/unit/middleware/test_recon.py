"""recon on a node whose disks are not well; that its answers are OpenStack Swift's is shown in interop."""

import errno
import json
import logging
import os
import threading

import pytest

from fakes.wsgi_calls import request
from swiftlite.middleware.recon import Recon, ReconOptions


@pytest.fixture
def node(tmp_path):
    """Its directory of devices: ``good``, and ``dead``, of which nothing can be known."""
    (tmp_path / "good").mkdir()
    (tmp_path / "dead").symlink_to("dead")  # whoever looks at it gets an OSError
    (tmp_path / "file").touch()
    return tmp_path


def ask(devices, check):
    recon = Recon(None, ReconOptions(devices=str(devices)), logging.getLogger("test-recon"))
    answer = request(recon, "GET", f"/recon/{check}")
    assert answer.status == 200
    return json.loads(answer.body)


@pytest.mark.parametrize("check", ["unmounted", "diskusage"])
def test_a_dead_disk_is_shown_and_does_not_hide_the_others(node, check):
    found = {device["device"]: device["mounted"] for device in ask(node, check)}
    assert found.keys() == {"good", "dead"}
    assert found["good"] is False
    assert "symbolic links" in found["dead"]


def test_a_file_system_that_cannot_tell_its_size_does_not_hide_the_others(monkeypatch):
    def statvfs(path):
        if path == "/proc":
            raise OSError(errno.EIO, "Input/output error")
        return real(path)

    real = os.statvfs
    monkeypatch.setattr(os, "statvfs", statvfs)
    found = {device["device"]: device for device in ask("/", "diskusage")}
    assert "Input/output error" in found["proc"]["mounted"]
    assert found["proc"]["size"] == ""
    assert found["dev"]["mounted"] is True


def test_a_broken_quarantine_does_not_hide_the_others(node):
    (node / "good" / "quarantined" / "objects" / "one").mkdir(parents=True)
    (node / "bad").mkdir()
    (node / "bad" / "quarantined").symlink_to("quarantined")
    assert ask(node, "quarantined")["objects"] == 1


def test_disks_are_not_looked_at_in_the_event_loop(node, monkeypatch):
    threads = []
    real = os.listdir
    monkeypatch.setattr(os, "listdir", lambda path: threads.append(threading.current_thread()) or real(path))
    ask(node, "unmounted")
    assert threads
    assert threading.main_thread() not in threads
