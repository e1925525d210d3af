"""The storage servers' log line."""

from __future__ import annotations

import os

from swiftlite.common.request_log import storage_line


def test_every_field_has_its_place() -> None:
    environ = {
        "REMOTE_ADDR": "127.0.0.1",
        "REQUEST_METHOD": "PUT",
        "RAW_PATH_INFO": "/sda/0/a/c%20d",
        "PATH_INFO": "/sda/0/a/c d",
        "HTTP_REFERER": "PUT http://h/x",
        "HTTP_X_TRANS_ID": "tx1",
        "HTTP_USER_AGENT": "proxy-server 7",
        "HTTP_X_BACKEND_STORAGE_POLICY_INDEX": "1",
    }
    assert storage_line(environ, 201, "-", 1402464677.0, 1402464677.25) == (
        '127.0.0.1 - - [11/Jun/2014:05:31:17 +0000] "PUT /sda/0/a/c%20d" 201 - '
        f'"PUT http://h/x" "tx1" "proxy-server 7" 0.2500 "-" {os.getpid()} 1'
    )


def test_what_is_unknown_is_a_dash() -> None:
    line = storage_line({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, 404, "0", 0.0, 0.0)
    assert line == f'- - - [01/Jan/1970:00:00:00 +0000] "GET /" 404 0 "-" "-" "-" 0.0000 "-" {os.getpid()} -'


def test_a_forked_worker_shows_its_own_process_id() -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, storage_line({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, 200, "-", 1.0, 2.0).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 1000).decode().split()[-2] == str(child) != str(os.getpid())
    os.close(read)
    os.close(write)
