"""Servers on 127.0.0.1 for the tests of URIs: files on the web, and a store behind a proxy; both with faults."""

import http.client
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_OF_ONE_WAY = ("transfer-encoding", "connection", "date", "server", "expect")


@contextmanager
def serving(handler):
    """A server in threads of its own; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def chunks(self):
        """The body that comes in chunks."""
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def answer(self, status, headers, content, *, cut=False):
        self.send_response(status)
        self.send_header("Connection", "close")
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = True


class Web:
    """Files by their paths. ``fault`` gets the number of the request: a status, "cut", "slow" or None.

    ``asked``: The paths and the places of the requests.
    """

    def __init__(self, files, *, ranges=True, fault=lambda number: None):
        self.files, self.ranges, self.fault = files, ranges, fault
        self.asked = []

    def serve(self):
        web = self

        class Handler(_Handler):
            def do_GET(self):
                path, places = urlsplit(self.path).path, self.headers.get("Range")
                web.asked.append((path, places))
                fault = web.fault(len(web.asked))
                if isinstance(fault, int):
                    return self.answer(fault, {}, b"no")
                if path not in web.files:
                    return self.answer(404, {}, b"not here")
                content = web.files[path]
                if fault == "slow":
                    time.sleep(0.5)
                headers = {"ETag": f'"{hash(content)}"'}
                if not (web.ranges and places):
                    return self.answer(200, headers, content, cut=fault == "cut")
                first, _, last = places.removeprefix("bytes=").partition("-")
                if int(first) >= len(content):
                    return self.answer(416, {"Content-Range": f"bytes */{len(content)}"}, b"")
                end = min(len(content), int(last) + 1) if last else len(content)
                headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
                return self.answer(206, headers, content[int(first) : end], cut=fault == "cut")

        return serving(Handler)


class Proxy:
    """All that a store answers, but where ``fault`` gives "cut", or a status and what S3 calls the error."""

    def __init__(self, store, fault=lambda method, path: None):
        self.store, self.fault = urlsplit(store).netloc, fault
        self.asked = []

    def serve(self):
        proxy = self

        class Handler(_Handler):
            def pass_on(self):
                chunked = "chunked" in self.headers.get("Transfer-Encoding", "")
                body = self.chunks() if chunked else self.rfile.read(int(self.headers.get("Content-Length") or 0))
                size = len(body)
                names = {name.lower(): value for name, value in self.headers.items()}
                proxy.asked.append((self.command, self.path, names, size))
                fault = proxy.fault(self.command, self.path)
                if isinstance(fault, tuple):
                    status, name = fault
                    text = f"<Error><Code>{name}</Code><Message>{name}</Message></Error>".encode()
                    return self.answer(status, {"Content-Type": "application/xml"}, text)
                if fault == "lost":
                    self.close_connection = True
                    return None
                inner = http.client.HTTPConnection(proxy.store)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_WAY}
                inner.request(self.command, self.path, body, headers)
                answer = inner.getresponse()
                content = answer.read()
                headers = {name: value for name, value in answer.getheaders() if name.lower() not in _OF_ONE_WAY}
                self.answer(answer.status, headers, content, cut=fault == "cut")
                inner.close()
                return None

        for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
            setattr(Handler, f"do_{method}", Handler.pass_on)
        return serving(Handler)
