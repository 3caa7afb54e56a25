"""A cache of whole objects that does what no server of bench/hits should do.

    fake_server.py PORT ORIGIN honest|lying|short|forgetful HONEST

It is honest for HONEST answers; then it changes a byte of each (lying), cuts each short (short), or asks the origin
each time (forgetful).
"""

import http.client
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT, ORIGIN, MODE, HONEST = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    held: dict[str, bytes] = {}  # noqa: RUF012 - of all connections
    answers = 0

    def log_message(self, *_):
        pass

    def fetch(self):
        connection = http.client.HTTPConnection(ORIGIN)
        connection.request("GET", self.path)
        body = connection.getresponse().read()
        connection.close()
        return body

    def do_GET(self):
        Handler.answers += 1
        honest = Handler.answers <= HONEST
        if self.path not in self.held or (MODE == "forgetful" and not honest):
            self.held[self.path] = self.fetch()
        body = self.held[self.path]
        if MODE == "lying" and not honest:
            body = body[:-1] + bytes([body[-1] ^ 1])
        if MODE == "short" and not honest:
            body = body[:-1]
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


ThreadingHTTPServer(("127.0.0.1", PORT), Handler).serve_forever()
