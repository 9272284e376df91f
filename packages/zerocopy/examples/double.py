import json
import sys

from hognose_shm import Segment

samples = Segment.from_fd(3).ndarray(json.loads(sys.argv[1]))
print(f"{samples.shape} {samples.dtype}, sum {samples.sum():.0f}")
samples *= 2
