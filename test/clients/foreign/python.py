"""A client of sessiond in Python's standard library, one JSON value a line: see ../foreign.ts for what it does.

Lines are parted at the byte \\n before they are decoded: a chunk may end inside a character, and a text may hold U+2028.
"""

import json
import socket
import sys
import time

PATH, NAME = sys.argv[1:]
SESSION, MESSAGE = f"ses_{NAME}", f"msg_{NAME}"
TEXT = f"from {NAME}: 𝄞 🙂 ﷽ 👩‍👩‍👧 é e\u0301"
OPS = [
    ("session/create", {"sessionId": SESSION, "title": f"{NAME} 𝄞"}),
    ("message/put", {"sessionId": SESSION, "messageId": MESSAGE, "role": "user"}),
    ("part/put", {"sessionId": SESSION, "messageId": MESSAGE, "partId": f"prt_{NAME}", "part": {"type": "text", "text": TEXT}}),
]


def tell(**line):
    print(json.dumps(line), flush=True)


class Connection:
    def __init__(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(PATH)
        self.held = b""
        self.calls = 0

    def receive(self):
        """The next message. What was held of one when the connection ends goes with it."""
        while b"\n" not in self.held:
            chunk = self.socket.recv(65536)
            if not chunk:
                raise EOFError
            self.held += chunk
        line, self.held = self.held.split(b"\n", 1)
        return json.loads(line)

    def call(self, method, params):
        """The result. Before the subscription nothing else comes."""
        self.calls += 1
        request = {"jsonrpc": "2.0", "id": self.calls, "method": method, "params": params}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        reply = self.receive()
        if "error" in reply:
            sys.exit(f"{method}: {reply['error']}")
        return reply["result"]


def text_of(event):
    if event["type"] == "part/updated":
        return event["data"].get("text", "")
    return (event["data"].get("title") or "") if event["type"].startswith("session/") else ""


class Client:
    appended = False
    cursor = None

    def run(self, connection):
        connection.call("initialize", {"protocolVersion": 1, "client": {"name": NAME, "version": "1"}})
        tell(connected=True)
        if not self.appended:
            ops = [{"opId": f"{NAME}-{n}", "type": kind, "params": params} for n, (kind, params) in enumerate(OPS)]
            result = connection.call("ops/append", {"ops": ops})
            if result["rejected"]:
                sys.exit(f"rejected: {result['rejected']}")
            self.appended = True
            tell(appended=result["cursor"])
        start = self.cursor or "start"
        snapshot = {"snapshot": "never"} if self.cursor else {}
        result = connection.call("events/subscribe", {"from": start, **snapshot})
        tell(**{"subscribed": result["mode"], "from": start})
        self.cursor = result["cursor"]
        while True:
            message = connection.receive()
            if message.get("method") in ("events/batch", "events/caughtUp", "events/bookmark"):
                self.take(message["params"])

    def take(self, params):
        if params["prev"] != self.cursor:
            tell(gap=[params["prev"], self.cursor])
        for event in params.get("events", []):
            tell(seq=event["seq"], type=event["type"], text=text_of(event))
        self.cursor = params["cursor"]


client = Client()
while True:
    try:
        client.run(Connection())
    except (OSError, EOFError):
        time.sleep(0.05)
