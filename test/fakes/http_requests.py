"""Requests as they go over the wire, each with the body that the server has to see in it."""

NEXT = b"GET /next HTTP/1.1\r\nHost: h\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n"

GOOD = {
    "no body": (b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n", ""),
    "length 0": (b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", ""),
    "length": (b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "hello"),
    "GET with a body": (b"GET /a HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", "hello"),
    "body that looks like a request": (
        b"PUT /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED,
        SMUGGLED.decode(),
    ),
    "chunked": (b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello"),
    "chunk extension and trailer": (
        b"PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nT: x\r\n\r\n",
        "hello",
    ),
    "empty lines before": (b"\r\n\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n", ""),
    "absolute target": (b"GET http://h/a HTTP/1.1\r\nHost: h\r\n\r\n", ""),
}
