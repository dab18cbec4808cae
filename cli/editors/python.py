# Tells what waits for your answer, of all agents; what was asked while this did not run, when it starts.
import json, socket, subprocess, time


def follow(daemon, name="python"):
    def send(method, **params):
        daemon.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n")

    send("events/subscribe", name=name, snapshot="never", filter={"types": ["blocker/updated"]})
    for message in map(json.loads, daemon.makefile("rb")):
        params = message.get("params", {})
        for blocker in (event["data"] for event in params.get("events", [])):
            if blocker["state"] == "pending":
                ask = blocker["request"]
                what = ask["questions"][0]["question"] if "questions" in ask else " ".join([ask["permission"], *ask.get("patterns", [])])
                print("".join(c if c.isprintable() else " " for c in what), f"(sessiond answer {blocker['id']})", flush=True)
        if "cursor" in params:
            send("events/ack", name=name, cursor=params["cursor"])
        if "error" in message:
            raise SystemExit(message["error"]["message"])


path = subprocess.check_output(["sessiond", "socket"], text=True).strip()
while True:
    try:
        with socket.socket(socket.AF_UNIX) as daemon:
            daemon.connect(path)
            follow(daemon)
    except OSError:
        pass  # it is not there, or has gone
    time.sleep(1)
