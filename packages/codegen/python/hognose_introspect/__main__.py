"""``python -m hognose_introspect``: a request as JSON on standard input, the answer in the file that it names.

This file and ``__init__.py`` parse on any Python 3, so that an old one gets an answer that it is too old.
"""

import json
import os
import sys

MINIMUM = (3, 10)


def main():  # type: () -> None
    """Reads the request, writes the answer and leaves without waiting for what libraries have left running."""
    request = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    if sys.version_info < MINIMUM:
        text = json.dumps({"error": {"kind": "python-version", "version": "%d.%d.%d" % sys.version_info[:3]}})  # noqa: UP031
    else:
        from hognose_introspect.introspect import answer_request

        # ASCII with escapes carries lone surrogates, which a docstring may hold.
        text = json.dumps(answer_request(request), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    with open(request["output"], "w", encoding="ascii") as file:
        file.write(text)
    sys.stderr.flush()
    # Threads and atexit hooks of the imported libraries could keep an ordinary exit waiting for ever.
    os._exit(0)


if __name__ == "__main__":
    main()
