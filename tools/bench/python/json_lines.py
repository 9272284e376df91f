"""JSON lines: a request on stdin is answered on stdout."""

import json
import sys

from arithmetic import add

while line := sys.stdin.readline():
    request = json.loads(line)
    sys.stdout.write(json.dumps({"id": request["id"], "result": add(*request["args"])}) + "\n")
    sys.stdout.flush()
