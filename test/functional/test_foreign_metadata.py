"""Metadata with names and values beyond ASCII: what a client stores, it reads back byte for byte."""

import http.client
import uuid

import pytest

NAME = "Ünïcöde-Ãã-ÿµ"
VALUE = "Wört ☃"


@pytest.mark.parametrize("kind", ["account", "container", "object"])
def test_names_and_values_beyond_ascii_round_trip(cluster, kind):
    token, container = cluster.token(), f"/v1/AUTH_test/{uuid.uuid4().hex}"
    path = {"account": "/v1/AUTH_test", "container": container, "object": f"{container}/o"}[kind]
    header = f"X-{kind.title()}-Meta-{NAME}".encode()

    def call(method, path, headers=()):
        connection = http.client.HTTPConnection(*cluster.proxy_address, timeout=60)
        lines = [
            f"{method} {path} HTTP/1.1".encode(),
            b"Host: h",
            b"Content-Length: 0",
            b"X-Auth-Token: " + token.encode(),
        ]
        connection.connect()
        connection.sock.sendall(b"\r\n".join([*lines, *headers]) + b"\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += connection.sock.recv(65536)
        connection.close()
        return int(answer.split()[1]), answer.partition(b"\r\n\r\n")[0].split(b"\r\n")

    assert call("PUT", container)[0] == 201
    status, _ = call("POST" if kind == "account" else "PUT", path, [header + b": " + VALUE.encode()])
    assert status in (201, 202, 204)
    status, lines = call("HEAD", path)
    assert status in (200, 204)
    found = [line for line in lines if VALUE.encode() in line]
    assert len(found) == 1
    name, _, value = found[0].partition(b": ")
    assert value == VALUE.encode()
    # Letters beyond ASCII are bytes to HTTP: they keep their case, and only the ASCII ones may change theirs.
    assert name.lower() == header.lower()
    if kind == "account":  # Others use it, with clients that cannot read such a name.
        assert call("POST", path, [header + b":"])[0] == 204
        assert not [line for line in call("HEAD", path)[1] if VALUE.encode() in line]
