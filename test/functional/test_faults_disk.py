"""Full and broken disks: the client hears the truth, and nothing half-written is ever visible.

Full devices are small ext4 filesystems in loop-mounted files; they need root, and a kernel that mounts. Broken ones are
real object servers whose system calls ``strace`` lets fail with EIO; and, call by call, a FileSystem that does so.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import swiftclient

from fakes.accounts import as_nobody, public_directory
from fakes.database_servers import BackendServer, container_server
from fakes.object_server import ObjectNode
from functional.cluster import Cluster, wait_until
from functional.open_files import processes
from swiftlite.cli import check, doctor
from swiftlite.common.fs import FileSystem
from swiftlite.common.kernel_queue import KernelQueue, QueueUnsupported
from swiftlite.obj.disk_threads import DiskThreads

MIB = 1 << 20
DEVICE_SIZE = 24 * MIB
RESERVE = 4 * MIB
BODY = random.Random(1).randbytes(200_000)
OTHER = random.Random(2).randbytes(300_000)
CONTAINER = "disks"


def status_of(action: Callable[[], object]) -> int:
    """Return the status that a client's call fails with, 200 if it does not."""
    try:
        action()
    except swiftclient.ClientException as error:
        return error.http_status
    return 200


def names_on_disk(cluster: Cluster) -> set[int]:
    """Return the sizes of all bodies that have a name."""
    return {path.stat().st_size for path in data_files(cluster)}


def data_files(cluster: Cluster) -> set[Path]:
    return set(cluster.files("objects/**/*.data"))


# ---------------------------------------------------------------------------------------------------------- full devices


@pytest.fixture(scope="module")
def small_devices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Four nodes, whose devices are filesystems of 24 MiB."""
    options = {"error_suppression_interval": "0.2"}
    cluster = Cluster(
        tmp_path_factory.mktemp("small"),
        nodes=4,
        devices=1,
        settings={
            "proxy": {"app:proxy-server": options},
            "object": {"app:object-server": {"fallocate_reserve": str(RESERVE)}},
        },
    )
    mounted: list[Path] = []
    try:
        for device in cluster.devices():
            mount(cluster.directory / f"{device.parent.name}.img", device)
            mounted.append(device)
        cluster.start().connection().put_container(CONTAINER)
        yield cluster
    finally:
        cluster.stop()
        for device in mounted:
            subprocess.run(["umount", "--lazy", device], check=True)
        cluster.remove()


def mount(image: Path, directory: Path) -> None:
    """Make a small filesystem with room for metadata in its inodes, and mount it."""
    with open(image, "wb") as file:
        file.truncate(DEVICE_SIZE)
    subprocess.run(["mkfs.ext4", "-q", "-I", "1024", "-m", "0", "-O", "^has_journal", image], check=True)
    done = subprocess.run(["mount", "-o", "loop", image, directory], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"filesystems cannot be mounted here: {done.stderr.strip()}")


def fill(device: Path, leave: int = 0) -> Path:
    """Take all of a device's space but so many bytes."""
    filler = device / "filler"
    with open(filler, "ab") as file:
        space = os.statvfs(device)
        with contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, space.f_frsize * space.f_bavail - leave)
        while leave == 0:
            try:
                os.write(file.fileno(), b"x" * 4096)
            except OSError as error:
                assert error.errno == errno.ENOSPC
                break
    return filler


@pytest.fixture
def full(small_devices: Cluster) -> Iterator[Callable[..., Path]]:
    """Fills a device until the end of the test."""
    fillers: list[Path] = []

    def fill_device(device: Path, leave: int = 0) -> Path:
        fillers.append(fill(device, leave))
        return fillers[-1]

    yield fill_device
    for filler in fillers:
        filler.unlink(missing_ok=True)


def put(cluster: Cluster, name: str, body: bytes = BODY) -> int:
    return status_of(lambda: cluster.connection().put_object(CONTAINER, name, body))


def get(cluster: Cluster, name: str) -> bytes | int:
    """Return the body, or the status that says why there is none.

    It asks for the newest: what was to be changed on a full device lies on a handoff until replication.
    """
    try:
        return cluster.connection().get_object(CONTAINER, name, headers={"X-Newest": "true"})[1]
    except swiftclient.ClientException as error:
        return error.http_status


def examined(cluster: Cluster, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What the doctor finds about devices: the code by the device's path."""
    capsys.readouterr()
    doctor.main(["--swiftdir", str(cluster.layout.etc), "--json", "--timeout", "60"])
    found = json.loads(capsys.readouterr().out)["findings"]
    return {one["subject"].partition(":")[2]: one["code"] for one in found if one["code"].startswith("device-")}


@pytest.mark.parametrize("leave", [0, RESERVE // 2], ids=["full", "reserve"])
def test_a_full_device_is_passed_over(
    small_devices: Cluster, full: Callable[..., Path], leave: int, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = small_devices
    assert put(cluster, "before") == 200
    device = min(data_files(cluster)).parents[4]
    full(device, leave)
    assert examined(cluster, capsys) == {str(device): "device-full"}
    before = data_files(cluster)
    for number in range(8):
        assert put(cluster, f"while{leave}-{number}") == 200
        assert get(cluster, f"while{leave}-{number}") == BODY
    assert cluster.server("proxy-server").log.read_text().count("507 to PUT") > 0
    assert len(data_files(cluster) - before) == 3 * 8, "each has three replicas, of which some are on a handoff"
    assert get(cluster, "before") == BODY
    assert put(cluster, "before", OTHER) == 200
    assert get(cluster, "before") == OTHER
    for name in ("before", *(f"while{leave}-{number}" for number in range(8))):
        cluster.connection().delete_object(CONTAINER, name)
        assert get(cluster, name) == 404
    assert names_on_disk(cluster) <= {len(BODY), len(OTHER)}, "what is left on handoffs is whole"


@contextlib.contextmanager
def read_only(device: Path) -> Iterator[None]:
    """Let a device take no writes any more; the servers that use it are not asked."""
    subprocess.run(["mount", "--bind", device, device], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", device], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", device], check=True)


def test_a_device_that_is_read_only_is_passed_over(small_devices: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    cluster = small_devices
    assert put(cluster, "before") == 200
    device = min(data_files(cluster)).parents[4]
    with read_only(device):
        before = data_files(cluster)
        for number in range(4):
            assert put(cluster, f"ro-{number}") == 200
            assert get(cluster, f"ro-{number}") == get(cluster, "before") == BODY
        # A server that hears of it only when it has the body answers 507 too late for a handoff; two replicas are a quorum.
        assert len(data_files(cluster) - before) >= 2 * 4
        assert examined(cluster, capsys) == {str(device): "device-read-only"}
        conf = cluster.server("object-server", int(device.parent.name)).process.conf
        assert check.check_main("object-server", str(conf)) == 1
        assert f"error: {device}: is mounted read-only; see dmesg, then: umount " in capsys.readouterr().out
    for name in ("before", *(f"ro-{number}" for number in range(4))):
        cluster.connection().delete_object(CONTAINER, name)


def test_a_full_device_still_gives_and_deletes(small_devices: Cluster, full: Callable[..., Path]) -> None:
    device = small_devices.devices()[0]
    with ObjectNode(device) as node:
        headers = {"X-Timestamp": "1000.00000", "Content-Type": "text/plain"}
        for path in ("/sda/0/a/c/o", "/sda/0/a/c/p"):
            assert node.request("PUT", path, headers, BODY).status == 201
        full(device)
        late = {**headers, "X-Timestamp": "2000.00000"}
        assert node.request("PUT", "/sda/0/a/c/o", late, OTHER).status == 507
        assert node.request("POST", "/sda/0/a/c/o", late).status == 507
        assert node.request("PUT", "/sda/0/a/c/q", late, b"?" * 1000).status == 507, "what is small needs room, too"
        assert node.request("GET", "/sda/0/a/c/o").body == BODY
        assert node.request("DELETE", "/sda/0/a/c/o", late).status == 204
        assert node.request("GET", "/sda/0/a/c/o").status == 404
        assert node.request("GET", "/sda/0/a/c/p").body == BODY


def test_when_all_are_full_the_client_hears_it(small_devices: Cluster, full: Callable[..., Path]) -> None:
    cluster = small_devices
    assert put(cluster, "old") == put(cluster, "doomed") == 200
    fillers = [full(device, RESERVE // 2) for device in cluster.devices()]
    # The reserve is left for databases and tombstones: only objects are refused.
    with pytest.raises(swiftclient.ClientException) as refused:
        cluster.connection().put_object(CONTAINER, "new", BODY)
    assert refused.value.http_status == 503
    assert b"has no room" in refused.value.http_response_content
    assert put(cluster, "old", OTHER) in (503, 507)
    assert (get(cluster, "new"), get(cluster, "old")) == (404, BODY)
    cluster.connection().delete_object(CONTAINER, "doomed")
    assert get(cluster, "doomed") == 404
    mood = {"X-Object-Meta-Mood": "fine"}
    assert status_of(lambda: cluster.connection().post_object(CONTAINER, "old", mood)) in (503, 507)
    assert "x-object-meta-mood" not in cluster.connection().head_object(CONTAINER, "old")
    for filler in fillers:
        filler.unlink()
    wait_until(lambda: put(cluster, "new") == 200, "there is room again")
    assert get(cluster, "new") == BODY
    cluster.connection().delete_object(CONTAINER, "old")
    cluster.connection().delete_object(CONTAINER, "new")


def test_a_device_that_fills_up_in_the_middle_of_a_body(small_devices: Cluster, full: Callable[..., Path]) -> None:
    """The length is not known, so no server can refuse it at the start."""
    cluster = small_devices
    before = data_files(cluster)
    for device in cluster.devices():
        full(device, RESERVE + 3 * MIB)
    piece = random.Random(3).randbytes(MIB)
    status = status_of(lambda: cluster.connection().put_object(CONTAINER, "long", iter([piece] * 16)))
    assert status in (503, 507)
    assert get(cluster, "long") == 404
    assert data_files(cluster) == before
    wait_until(lambda: cluster.files("tmp*/*") == [], "no temporary file is left")


# ------------------------------------------------------------------------------------------- EIO, by the FileSystem seam


class BrokenDisk(FileSystem):
    """The real filesystem, of which one call fails: the first of its kind, or a later one."""

    failing = ""
    working = 0
    """How many calls of this kind succeed before."""

    def __getattribute__(self, name: str) -> Any:
        own = super().__getattribute__
        if name != own("failing"):
            return own(name)
        self.working -= 1
        return own(name) if self.working >= 0 else _fail


def _fail(*_args: object) -> None:
    raise OSError(errno.EIO, os.strerror(errno.EIO))


BEFORE_IT_SHOWS = [("open_anonymous", 0), ("set_attribute", 0), ("sync", 0), ("link", 0)]


@pytest.fixture
def disk() -> BrokenDisk:
    return BrokenDisk()


@pytest.fixture
def node(tmp_path: Path, disk: BrokenDisk) -> Iterator[ObjectNode]:
    with ObjectNode(tmp_path, fs=disk) as node:
        yield node


def change(node: ObjectNode, method: str, timestamp: str) -> int:
    headers = {"X-Timestamp": timestamp, "Content-Type": "text/plain", "X-Object-Meta-New": "1"}
    return node.request(method, PATH, headers, OTHER if method == "PUT" else None).status


PATH = "/sda/0/a/c/o"


@pytest.mark.parametrize(
    ("method", "call", "working"),
    [(method, *call) for method in ("PUT", "POST", "DELETE") for call in [*BEFORE_IT_SHOWS, ("sync", 1)]]
    + [("PUT", "write", 0)],  # the others have no body
)
def test_a_call_that_fails(node: ObjectNode, disk: BrokenDisk, method: str, call: str, working: int) -> None:
    headers = {"X-Timestamp": "1000.00000", "Content-Type": "text/plain"}
    assert node.request("PUT", PATH, headers, BODY).status == 201
    disk.failing, disk.working = call, working
    assert change(node, method, "2000.00000") in (500, 507)
    disk.failing = ""
    found = node.request("GET", PATH)
    if working:  # Only the directory was not synced: it may show, but then whole.
        assert found.status == 404 if method == "DELETE" else found.body == (OTHER if method == "PUT" else BODY)
    else:
        assert (found.status, found.body) == (200, BODY) and "x-object-meta-new" not in found.headers
        assert len(node.files()) == 1, "no litter"
    assert change(node, "PUT", "3000.00000") == 201
    assert node.request("GET", PATH).body == OTHER and len(node.files()) == 1


class BrokenQueue(KernelQueue):
    """The kernel's own queue, whose syncs fail from one on."""

    working = 1_000_000
    """How many succeed before."""

    def sync(self, descriptors: Sequence[int]) -> None:
        good = descriptors[: max(0, self.working)]
        self.working -= len(descriptors)
        if good:
            super().sync(good)
        if len(good) < len(descriptors):
            _fail()


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@pytest.mark.parametrize("working", [0, 1])
def test_a_sync_by_the_kernel_that_fails(tmp_path: Path, method: str, working: int) -> None:
    """As by a thread: without the first nothing shows; without the directory's nobody calls it stored."""
    queues: list[BrokenQueue] = []

    def make_queue() -> BrokenQueue:
        try:
            queues.append(BrokenQueue())
        except QueueUnsupported as error:
            pytest.skip(f"no io_uring: {error}")
        return queues[0]

    with ObjectNode(tmp_path) as node:
        node.app.files.threads = DiskThreads(2, make_queue)
        headers = {"X-Timestamp": "1000.00000", "Content-Type": "text/plain"}
        assert node.request("PUT", PATH, headers, BODY).status == 201
        queues[0].working = working
        assert change(node, method, "2000.00000") in (500, 507)
        queues[0].working = 1_000_000
        found = node.request("GET", PATH)
        if working:
            assert found.status == 404 if method == "DELETE" else found.body == (OTHER if method == "PUT" else BODY)
        else:
            assert (found.status, found.body) == (200, BODY) and "x-object-meta-new" not in found.headers
            assert len(node.files()) == 1, "no litter"
        assert change(node, "PUT", "3000.00000") == 201
        assert node.request("GET", PATH).body == OTHER and len(node.files()) == 1


# ------------------------------------------------------------------------------------------------------ EIO, by strace


@pytest.fixture(scope="module")
def cluster(make_session_cluster: Callable[..., Cluster]) -> Cluster:
    # strace sees what threads ask of the kernel, not what its own queue does.
    settings = {
        "proxy": {"app:proxy-server": {"error_suppression_interval": "0.2"}},
        "object": {"app:object-server": {"io_uring": "no"}},
    }
    cluster = make_session_cluster(nodes=4, devices=1, settings=settings)
    cluster.connection().put_container(CONTAINER)
    return cluster


@contextlib.contextmanager
def injected(cluster: Cluster, nodes: list[int], rule: str) -> Iterator[Path]:
    """Let system calls of some nodes' object servers fail; yields the log of those that did."""
    log = cluster.directory / f"strace.{rule.replace(':', '.')}"
    pids = [pid for number in nodes for pid in processes(cluster.server("object-server", number))]
    command = [shutil.which("strace") or "strace", "-f", "-o", str(log), "-e", f"trace={rule.partition(':')[0]}"]
    command += ["-e", f"inject={rule}", *(f"--attach={pid}" for pid in pids)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert tracer.stderr is not None
        attached = 0
        while attached < len(pids):
            line = tracer.stderr.readline()
            assert line, f"strace ended with {tracer.wait()}"
            attached += " attached" in line
        yield log
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(120)
        assert tracer.stderr is not None
        tracer.stderr.close()


needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="apt-get install strace")


@needs_strace
@pytest.mark.parametrize("call", ["fsync", "linkat", "fsetxattr"])
def test_when_every_disk_is_broken_nothing_changes(cluster: Cluster, call: str) -> None:
    assert put(cluster, f"old-{call}") == 200
    nodes = [node.number for node in cluster.layout.nodes]
    with injected(cluster, nodes, f"{call}:error=EIO") as log:
        assert put(cluster, f"new-{call}", OTHER) in (500, 503, 507)
        assert put(cluster, f"old-{call}", OTHER) in (500, 503, 507)
        assert status_of(lambda: cluster.connection().delete_object(CONTAINER, f"old-{call}")) in (500, 503, 507)
        assert (get(cluster, f"new-{call}"), get(cluster, f"old-{call}")) == (404, BODY)
    assert log.read_text().count("(INJECTED)") >= 6
    assert (get(cluster, f"new-{call}"), get(cluster, f"old-{call}")) == (404, BODY)
    assert names_on_disk(cluster) == {len(BODY)}
    wait_until(lambda: cluster.files("tmp*/*") == [], "no temporary file is left")
    wait_until(lambda: put(cluster, f"new-{call}", BODY) == 200, "disks work again")


@needs_strace
@pytest.mark.parametrize("call", ["fsync", "linkat", "fsetxattr"])
def test_one_broken_disk_is_no_matter(cluster: Cluster, call: str) -> None:
    with injected(cluster, [1], f"{call}:error=EIO"):
        for number in range(6):
            assert put(cluster, f"one-{call}-{number}", BODY) == 200
            assert get(cluster, f"one-{call}-{number}") == BODY
    assert names_on_disk(cluster) == {len(BODY)}
    wait_until(lambda: cluster.files("tmp*/*") == [], "no temporary file is left")


@needs_strace
def test_a_directory_that_cannot_be_synced_is_no_success(cluster: Cluster) -> None:
    """The second fsync of a thread's commit is the directory's: the object may show, but nobody may call it stored."""
    nodes = [node.number for node in cluster.layout.nodes]
    for name in ("dir0", "dir1", "dir2", "dir3"):
        with injected(cluster, nodes, "fsync:error=EIO:when=2+2"):
            assert put(cluster, name) in (500, 503, 507)
        assert get(cluster, name) in (404, BODY)


# ------------------------------------------------------------------------------------------------- devices of somebody else


def test_a_device_where_the_object_server_may_not_write_is_as_good_as_none() -> None:
    """A new filesystem belongs to root. What is there can be read; one directory that is closed is no closed device."""
    headers = {"X-Timestamp": "1000.00000", "Content-Type": "text/plain"}
    with public_directory() as directory, ObjectNode(directory) as node:
        assert node.request("PUT", PATH, headers, BODY).status == 201
        directories = [node.device, *node.device.glob("objects/**/")]
        for opened, status in ([], 507), (directories[1:2], 507), (directories[:2], 500):
            for path in directories:
                path.chmod(0o777 if path in opened else 0o555)
            with as_nobody():
                assert [change(node, method, "2000.00000") for method in ("PUT", "POST", "DELETE")] == [status] * 3
                assert node.request("GET", PATH).body == BODY
        for path in directories:
            path.chmod(0o755)


def test_a_device_where_a_container_server_may_not_write_is_as_good_as_none() -> None:
    headers = {"X-Timestamp": "1000.00000", "X-Backend-Storage-Policy-Index": "0"}
    row = {"X-Timestamp": "1001.00000", "X-Size": "1", "X-Etag": "e", "X-Content-Type": "text/plain"}
    with public_directory() as directory, container_server(directory) as thread:
        server = BackendServer(thread)
        assert server.request("PUT", "/sda/0/a/c", headers).status == 201
        server.request("GET", "/sda/0/a/c")
        for path in (directory / "sda", *(directory / "sda").glob("containers/**/")):
            path.chmod(0o555)
        with as_nobody():
            assert server.request("PUT", "/sda/0/a/new", headers).status == 507
            assert server.request("PUT", "/sda/0/a/c/o", row).status == 507
        for path in (directory / "sda", *(directory / "sda").glob("containers/**/")):
            path.chmod(0o755)
        assert server.request("PUT", "/sda/0/a/c/o", row).status == 201
