# Tells what waits for your answer, of all agents; what was asked while this did not run, when it starts.
import json, socket, subprocess, sys, time


def send(daemon, method, **params):
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"name": "python", **params}}
    daemon.sendall(json.dumps(request).encode() + b"\n")


def follow(daemon):
    send(daemon, "events/subscribe", snapshot="never", filter={"types": ["blocker/updated"]})
    for message in map(json.loads, daemon.makefile("rb")):
        if "error" in message:
            sys.exit(json.dumps(message["error"]))
        params = message.get("params", {})
        for blocker in (event["data"] for event in params.get("events", [])):
            if blocker["state"] == "pending":
                ask = blocker["request"]
                what = [ask["questions"][0]["question"]] if "questions" in ask else [ask["permission"], *ask.get("patterns", [])]
                print("".join(filter(str.isprintable, " ".join(what))), f"(sessiond answer {blocker['id']})", flush=True)
        if "cursor" in params:
            send(daemon, "events/ack", cursor=params["cursor"])


path = subprocess.run(["sessiond", "socket"], capture_output=True, text=True, check=True).stdout.strip()
while True:
    try:
        with socket.socket(socket.AF_UNIX) as daemon:
            daemon.connect(path)
            follow(daemon)
    except OSError:
        pass  # It is not there, or has gone.
    time.sleep(1)
