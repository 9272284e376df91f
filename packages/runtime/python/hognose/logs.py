"""What Python code logs and warns of, as messages to the host.

Every record that reaches the root logger's handlers also goes to the host. No handler stands on the root logger for it:
`logging.basicConfig` does nothing where there is one.
"""

from __future__ import annotations

import logging
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any, Final, TextIO

from hognose.call import ID
from hognose.context import innermost_call, thread
from hognose.gen.messages import LOG_SOURCE_LOGGING, LOG_SOURCE_WARNINGS, WORKER_MESSAGE_LOG

if TYPE_CHECKING:
    from hognose.core import Core

__all__ = ["install"]

_MOST_TEXT: Final = 1 << 16


def install(core: Core, level: int | None) -> None:
    """Sends records and warnings to the host from now on.

    Args:
        core: The worker.
        level: The root logger's level; None: as Python has it.
    """
    sender = _Sender(core)
    if level is not None:
        logging.getLogger().setLevel(level)
    # The host shows them: else those that no handler takes would stand on stderr as well.
    logging.lastResort = logging.NullHandler()
    call_handlers = logging.Logger.callHandlers

    def call_handlers_and_send(logger: logging.Logger, record: logging.LogRecord) -> None:
        call_handlers(logger, record)
        if _reaches_root(logger):
            sender.send_record(record)

    logging.Logger.callHandlers = call_handlers_and_send  # type: ignore[method-assign,assignment]
    warnings.showwarning = sender.send_warning


class _Sender:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._formatter = logging.Formatter()
        self._state = threading.local()

    def send_record(self, record: logging.LogRecord) -> None:
        try:
            text = self._formatter.format(record)
        except Exception as error:  # arguments that do not fit the format, or whose __str__ raises
            text = f"{record.msg!r} (the record could not be formatted: {type(error).__name__}: {error})"
        fields = [record.levelno, record.name, text, record.pathname, record.lineno]
        self._send(LOG_SOURCE_LOGGING, fields, record.created)

    def send_warning(  # noqa: PLR0917 - the signature of `warnings.showwarning`, whose place it takes
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if file is not None:
            file.write(warnings.formatwarning(message, category, filename, lineno, line))
            return
        fields = [logging.WARNING, category.__name__, str(message), filename, lineno]
        self._send(LOG_SOURCE_WARNINGS, fields, time.time())

    def _send(self, source: int, fields: list[Any], created: float) -> None:
        if getattr(self._state, "is_sending", False):
            return  # sending has logged something in turn
        self._state.is_sending = True
        runner: Any = getattr(thread, "runner", None)
        was_exposed = False if runner is None else runner.cover()
        try:
            call = innermost_call()
            core = self._core
            level, name, text, file, line = fields
            where = [max(0, level), name, _cut(text), file, max(0, line), 0 if call is None else call[ID]]
            core.outbox.post(core.lane.pack([WORKER_MESSAGE_LOG, source, *where, int(created * 1000)]))
        except Exception:  # logging never breaks what logs
            if logging.raiseExceptions:
                _complain()
        finally:
            self._state.is_sending = False
            if runner is not None:
                runner.uncover(was_exposed)


def _reaches_root(logger: logging.Logger) -> bool:
    current: logging.Logger | None = logger
    while current is not None:
        if current.parent is None:
            return current is logging.root
        if not current.propagate:
            return False
        current = current.parent
    return False


def _cut(text: str) -> str:
    text = str.__str__(text)
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}… ({len(text) - _MOST_TEXT} more characters)"


def _complain() -> None:
    import traceback

    traceback.print_exc()
