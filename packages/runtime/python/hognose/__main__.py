"""`python -m hognose`: a worker for a host that has started it, or `serve`, which keeps one for hosts that come."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback

from hognose import __version__
from hognose.errors import MissingPackage


def main(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m hognose",
        description="The Python side of Hognose. Node.js starts it; a person rarely has to.",
    )
    parser.add_argument("--version", action="version", version=f"hognose {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("worker", help="serve a host: its address and secret come as one JSON line on stdin")
    commands.add_parser("zygote", help="fork workers for a host, which says on file descriptor 3 when")
    commands.add_parser("serve", help="keep a worker at an address of the network, for hosts that attach to it")
    given = sys.argv[1:] if arguments is None else arguments
    command = parser.parse_args(given[:1] if given[:1] == ["serve"] else given).command

    if sys.version_info < (3, 10):  # noqa: UP036 - this file runs on the very Python that it refuses
        print(
            f"hognose: Python 3.10 or newer is needed, and {sys.executable} is {sys.version.split()[0]}",
            file=sys.stderr,
        )
        return 78
    if command == "serve":
        from hognose import serve

        return serve.main(given[1:])
    is_finished = False
    try:
        try:
            from hognose import worker
        except ModuleNotFoundError as error:
            if error.name != "msgpack":
                raise
            raise MissingPackage("msgpack") from error
        if command == "zygote":
            from hognose import zygote

            # Returns once in this process, and once in each that it forks.
            bootstrap = zygote.run(sys.stdin.buffer)
        else:
            bootstrap = worker.Bootstrap(**worker.read_line(sys.stdin.buffer))
            worker.prepare_process(bootstrap.python_path, bootstrap.restore_environment)
        status = 0 if bootstrap is None else worker.run(bootstrap)
        is_finished = True
    except MissingPackage as error:
        print(f"hognose: {error}", file=sys.stderr)  # Node reads this line
        status = 78
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    if not is_finished:
        # At once: threads of a library, or of gRPC, must not keep a broken worker alive that its host waits for.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # user code may have closed it
                stream.flush()
        os._exit(status)
    return status


if __name__ == "__main__":
    # Not the directory that it was started in, which `-m` puts first: a file there must not shadow a library.
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        del sys.path[0]
    sys.exit(main())
