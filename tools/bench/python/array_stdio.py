"""JSON lines over stdio, each with the path of a file in shared memory that is mapped as an array."""

import json
import sys

import numpy as np
from array_edges import edges

while line := sys.stdin.readline():
    request = json.loads(line)
    array = np.memmap(request["path"], dtype=np.float64, mode="r")
    sys.stdout.write(json.dumps(edges(array)) + "\n")
    sys.stdout.flush()
    # Not before the answer, and not as late as the next request: the file is gone, and its memory should be too.
    del array
