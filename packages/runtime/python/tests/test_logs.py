from __future__ import annotations

import logging
from typing import Any

from fake_host import FakeHost

from hognose.gen import messages as m


def log(host: FakeHost) -> dict[str, Any]:
    message = host.expect(m.WORKER_MESSAGE_LOG)
    names = [name for name, *_ in m.LAYOUT["Log"]]
    return dict(zip(names, message[1:], strict=False))


def test_s58_records_are_told_with_their_call(host: FakeHost) -> None:
    call = host.send(host.inline("import logging\nlogging.getLogger('app.db').warning('%s of %s', 1, 2)\nreturn 1"))
    told = log(host)
    assert (told["source"], told["level"], told["logger"]) == (m.LOG_SOURCE_LOGGING, logging.WARNING, "app.db")
    assert (told["text"], told["file"], told["call"]) == ("1 of 2", "test.ts", call)
    assert host.result(call) == 1
    assert "1 of 2" not in host.stderr


def test_s58_exceptions_stand_in_the_text(host: FakeHost) -> None:
    host.run("import logging\ntry: 1 / 0\nexcept ZeroDivisionError: logging.exception('failed')")
    text = log(host)["text"]
    assert text.startswith("failed\nTraceback")
    assert text.endswith("ZeroDivisionError: division by zero")


def test_s58_warnings_are_told_and_do_not_stand_on_stderr(host: FakeHost) -> None:
    call = host.send(host.inline("import warnings\nwarnings.warn('old', FutureWarning)"))
    told = log(host)
    assert (told["source"], told["logger"], told["text"]) == (m.LOG_SOURCE_WARNINGS, "FutureWarning", "old")
    assert (told["file"], told["call"]) == ("test.ts", call)
    text = (
        "import warnings\n"
        "with warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.warn('seen')\n"
        "return len(seen)"
    )
    assert host.run(text) == 1
    host.run("import logging; logging.warning('next')")
    assert log(host)["text"] == "next"


def test_s58_basic_config_and_dict_config_work_as_ever(host: FakeHost) -> None:
    host.run("import logging, sys\nlogging.basicConfig(level=10, format='mine %(message)s', stream=sys.stderr)")
    host.run("import logging; logging.debug('one')")
    assert (log(host)["text"]) == "one"
    host.wait_for(lambda: "mine one" in host.stderr)
    host.run("import logging.config; logging.config.dictConfig({'version': 1, 'root': {'level': 'INFO'}})")
    host.run("import logging; logging.info('two')")
    assert log(host)["text"] == "two"


def test_s58_levels_and_propagation_are_the_users(host: FakeHost) -> None:
    host.run("import logging; logging.info('below the level')")
    host.run("import logging; quiet = logging.getLogger('quiet'); quiet.propagate = False; quiet.error('kept')")
    host.run("import logging; logging.getLogger().setLevel(5); logging.log(5, 'told')")
    assert log(host)["text"] == "told"


def test_s58_long_texts_are_cut_and_bad_records_told(host: FakeHost) -> None:
    host.run("import logging; logging.error('x' * 1_000_000)")
    text = log(host)["text"]
    assert len(text) < 66_000
    assert text.endswith("… (934464 more characters)")
    host.run("import logging; logging.error('%d', 'no number')")
    assert "could not be formatted: TypeError" in log(host)["text"]
    host.run("import logging; logging.error('lone \\ud800 surrogate')")
    assert log(host)["text"].startswith("lone")


def test_s58_logging_in_a_finalizer_a_thread_or_a_coroutine_never_hangs(host: FakeHost) -> None:
    host.run(
        "import gc, logging, threading\n"
        "class Loud:\n"
        "    def __del__(self): logging.error('finalizer')\n"
        "for _ in range(100):\n"
        "    loud = Loud(); loud.self = loud; del loud\n"
        "gc.collect()\n"
        "thread = threading.Thread(target=logging.error, args=('thread',)); thread.start(); thread.join()"
    )
    texts = [log(host) for _ in range(101)]
    assert [told["text"] for told in texts] == ["finalizer"] * 100 + ["thread"]
    assert texts[-1]["call"] == 0
    call = host.send(host.inline("import asyncio, logging\nawait asyncio.sleep(0)\nlogging.error('coroutine')"))
    assert log(host)["call"] == call


def test_s58_print_stays_out_of_the_protocol(host: FakeHost) -> None:
    host.run("import os, sys\nprint('from print')\nos.write(1, b'from C\\n')\nprint('error', file=sys.stderr)")
    assert host.process.stdout is not None
    assert [host.process.stdout.readline() for _ in range(2)] == ["from print\n", "from C\n"]
    host.wait_for(lambda: "error" in host.stderr)
    host.run("import sys\nsys.stdout.close()")
    assert host.run("return 1") == 1
