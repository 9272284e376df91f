"""Results that later calls refer to: kept until each of them has taken its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Final

from hognose.call import ARGS, ID, KWARGS, ROOT, SOURCE, STEPS, USES, Call
from hognose.errors import DecodeError
from hognose.handles import HandleTable

__all__ = ["SourceReference", "Sources"]

_PENDING: Final = object()


class SourceReference:
    """Stands among the arguments of a call for the result of an earlier one."""

    __slots__ = ("call_id",)

    def __init__(self, call_id: int) -> None:
        self.call_id = call_id


class _Source:
    __slots__ = ("error", "parked", "uses", "value")

    def __init__(self, uses: int) -> None:
        self.uses = uses
        self.value: Any = _PENDING
        self.error: BaseException | None = None
        #: Calls that wait for it.
        self.parked: list[Call] = []


class Sources:
    """The results, and the calls that wait for them.

    Args:
        handles: Where objects are that a walk through arguments must not enter: they are the user's, of any size.
        resume: Puts a call into the queue again, when what it waits for is there.
    """

    def __init__(self, handles: HandleTable, resume: Callable[[Call], None]) -> None:
        self._handles = handles
        self._resume = resume
        self._lock = threading.Lock()
        self._sources: dict[int, _Source] = {}
        #: Which results each call refers to that has not started, one entry per occurrence.
        self.references: dict[int, list[int]] = {}
        #: Calls that wait for a result, by their ids.
        self.parked: dict[int, Call] = {}
        #: Raises for a result that may not stand among the arguments of a call; None: each may.
        self.check: Callable[[object], None] | None = None
        #: Set while a frame is read that holds a reference.
        self.has_found = False

    def find_source(self, call_id: int) -> object:
        """What stands for a result until the call runs: it may be one of the same frame."""
        self.has_found = True
        return SourceReference(call_id)

    def register(self, call: Call) -> None:
        """Notes what a call refers to, and whether others will refer to it; in the order in which calls arrive."""
        if call[USES]:
            with self._lock:
                self._sources[call[ID]] = _Source(call[USES])
        found = [call[SOURCE]] if call[SOURCE] else []
        if self.has_found:
            self._collect((call[ARGS], call[KWARGS], call[STEPS]), found)
        if found:
            self.references[call[ID]] = found

    def prepare(self, call: Call) -> bool:
        """Puts the results that a call refers to into their places; False where the call has to wait for one.

        A call that waits is put into the queue again by itself.

        Raises:
            DecodeError: When there is no such result, or no longer.
            BaseException: What the call raised whose result it is.
        """
        references = self.references.get(call[ID])
        if references is None:
            return True
        with self._lock:
            sources = {}
            for reference in references:
                source = sources[reference] = self._sources.get(reference)
                if source is not None and source.value is _PENDING and source.error is None:
                    source.parked.append(call)
                    self.parked[call[ID]] = call
                    return False
            del self.references[call[ID]]
            self._use(references)
        values = {}
        for reference, source in sources.items():
            if source is None:
                raise DecodeError(
                    f"the result of call {reference} is unknown in this worker: the call never came here, or its "
                    "result was used as often as the host had said that it would be"
                )
            if source.error is not None:
                raise source.error
            values[reference] = source.value
            if self.check is not None:
                self.check(source.value)
        if call[SOURCE]:
            call[ROOT] = (values[call[SOURCE]],)
        for place in (ARGS, KWARGS, STEPS):
            if call[place]:
                call[place] = self._filled(call[place], values)
        return True

    def fulfil(self, call_id: int, value: object) -> None:
        """Keeps the result of a call."""
        self._settle(call_id, value, None)

    def fail(self, call_id: int, error: BaseException) -> None:
        """Lets the calls that refer to a call's result raise what it raised."""
        self._settle(call_id, None, error)

    def drop(self, call: Call, error: BaseException) -> None:
        """Forgets a call that will not run here; what refers to its result raises `error`."""
        with self._lock:
            self.parked.pop(call[ID], None)
            references = self.references.pop(call[ID], None)
            if references is not None:
                for reference in references:
                    source = self._sources.get(reference)
                    if source is not None:
                        source.parked = [other for other in source.parked if other is not call]
                self._use(references)
        if call[USES]:
            self.fail(call[ID], error)

    def take_parked(self, call_id: int) -> Call | None:
        """Takes a call back that waits for a result."""
        with self._lock:
            return self.parked.pop(call_id, None)

    def _settle(self, call_id: int, value: object, error: BaseException | None) -> None:
        with self._lock:
            source = self._sources.get(call_id)
            if source is None or source.value is not _PENDING or source.error is not None:
                return
            source.value, source.error = value, error
            resumed = [call for call in source.parked if self.parked.pop(call[ID], None) is not None]
            source.parked.clear()
        for call in resumed:
            self._resume(call)

    def _use(self, references: list[int]) -> None:
        for reference in references:
            source = self._sources.get(reference)
            if source is not None:
                source.uses -= 1
                if source.uses == 0:
                    del self._sources[reference]

    def _collect(self, value: object, found: list[int]) -> None:
        waiting: list[Any] = [value]
        while waiting:
            item = waiting.pop()
            kind = type(item)
            if kind is SourceReference:
                found.append(item.call_id)
            elif kind is dict:
                if not self._handles.holds(item):
                    waiting.extend(item.keys())
                    waiting.extend(item.values())
            elif kind in _SEQUENCES and not self._handles.holds(item):
                waiting.extend(item)

    def _filled(self, value: Any, values: dict[int, Any]) -> Any:
        """The value with results in the places of references; objects of the user's stay what they are."""
        kind = type(value)
        if kind is SourceReference:
            return values[value.call_id]
        if (kind is not dict and kind not in _SEQUENCES) or self._handles.holds(value):
            return value
        if kind is dict:
            return {self._filled(key, values): self._filled(item, values) for key, item in value.items()}
        return kind([self._filled(item, values) for item in value])


_SEQUENCES: Final = frozenset((list, tuple, set, frozenset))
