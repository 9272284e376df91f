"""The gRPC lane: `hognose.v1.Worker.Attach` on a server of the worker's own."""

from __future__ import annotations

import contextlib
import hmac
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, NoReturn

import grpc

from hognose.codec import Codec
from hognose.errors import ProtocolError
from hognose.gen.messages import HOST_MESSAGE_CHUNK
from hognose.transport import NOTHING, Frame
from hognose.transport.chunks import Assembly, Unassembled
from hognose.transport.grpc_encoding import Reader, identify, pack_message, part_frames, write_frame
from hognose.transport.grpc_health import Health
from hognose.transport.grpc_messages import message_class
from hognose.transport.order import Backlog
from hognose.transport.packed import LargeMessage, Packed
from hognose.transport.socket_reader import undecodable_call
from hognose.transport.waiting import wait_token

__all__ = ["EPOCH_METADATA", "RUNTIME_METADATA", "SECRET_METADATA", "GrpcLane", "Visitors", "serve"]

#: Metadata key in which the host proves itself.
SECRET_METADATA: Final = "hognose-secret"
#: Metadata key of a text that is the host process's own.
RUNTIME_METADATA: Final = "hognose-runtime"
#: Metadata key of the number that the host gives the worker: its own count, which only grows.
EPOCH_METADATA: Final = "hognose-epoch"

#: By this gRPC says that the same may succeed later.
_TRY_AGAIN: Final = (("grpc-retry-pushback-ms", "100"),)
#: How long a process that is to end waits, so that whoever has caused it is told before.
_LAST_WORDS_S: Final = 0.1
_MAX_EPOCH: Final = (1 << 32) - 1

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
)
#: A stream holds a thread of the server for as long as it lives: the host's, those of health watchers, some to spare.
_SERVER_THREADS: Final = 12


@dataclass(frozen=True, kw_only=True)
class Visitors:
    """What becomes of a worker that no host has started: hosts come to it by themselves, one in its life.

    Attributes:
        greet: Makes the Hello for a host, with the number that the host gives the worker.
        attached: Told when a host has attached, with where it dials from, as gRPC writes it.
        lost: Ends the process: its host is gone, and nothing of it may reach the next.
    """

    greet: Callable[[int], list[Any]]
    attached: Callable[[str], None]
    lost: Callable[[], None]


def serve(
    address: str,
    secret: str | None,
    codec: Codec,
    *,
    credentials: grpc.ServerCredentials | None = None,
    options: Iterable[tuple[str, int]] = (),
    visitors: Visitors | None = None,
) -> GrpcLane:
    """Starts the server.

    Args:
        address: Where to listen, in gRPC's notation, such as `unix:/run/x.sock`.
        secret: What the host must send as metadata; None: whoever gets through `credentials` may attach.
        codec: Reads and writes the values in the frames.
        credentials: TLS; None: plain text.
        options: Further options of the server.
        visitors: Where no host has started this worker; None: its host knows it already.

    Raises:
        RuntimeError: When the address cannot be bound.
    """
    lane = GrpcLane(secret, codec, visitors)
    server = grpc.server(
        ThreadPoolExecutor(_SERVER_THREADS, thread_name_prefix="hognose-grpc"), options=(*_OPTIONS, *options)
    )
    server.add_generic_rpc_handlers((_worker_service(lane), lane.health.service()))
    try:
        if credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, credentials)
    except RuntimeError:  # what gRPC says here tells nothing
        port = 0
    if port == 0:
        raise RuntimeError(f"the gRPC server cannot listen on {address}: it is in use, or not of this machine")
    server.start()
    lane.server = server
    lane.port = port
    return lane


#: How long `settle` waits before it looks by itself.
_LOOK_AGAIN_S: Final = 0.05


class GrpcLane:
    """Carries frames between the stream's own threads and those that run calls; see `Lane`."""

    #: Whether urgent messages come on a connection of their own; set before the lane is used.
    has_control = False

    server: grpc.Server
    #: Where the server listens; 1 on a Unix-domain socket.
    port: int

    def __init__(self, secret: str | None, codec: Codec, visitors: Visitors | None = None) -> None:
        self.health = Health()
        self._secret = secret
        self._visitors = visitors
        #: Who is attached: its runtime, and the number that it has given this worker.
        self._host = ("", 0)
        self._encode = codec.encode
        self._reader = Reader(codec.decode_frame)
        self._assembly = Assembly()
        #: The stream, once a host has attached.
        self._frames: Iterator[Any] | None = None
        self._reading_thread: threading.Thread | None = None
        #: Frames as they came; None at the end. A token announces each that the reading thread has read, and each wake.
        self._received: deque[Any] = deque()
        self._tokens: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._is_woken = False
        #: Encoded messages to send together. A token announces each, and each large message.
        self._sent: deque[list[bytes]] = deque()
        self._backlog = Backlog(identify)
        self._send_tokens: queue.SimpleQueue[None] = queue.SimpleQueue()
        #: How many of the frames in `_sent` were ever put there, and how many have left the process.
        self._written = 0
        self._left = 0
        self._departures: queue.SimpleQueue[None] | None = None
        self._is_closing = False
        self._host_is_gone = False
        #: Set when the stream is over, whoever has ended it.
        self._has_ended = threading.Event()
        self._attaching = threading.Lock()

    def attach(self, frames: Iterator[Any], context: grpc.ServicerContext) -> Iterator[bytes]:
        """Serves the one host that this worker has; any other is refused."""
        metadata = dict(context.invocation_metadata())
        if self._secret is not None:
            given = str(metadata.get(SECRET_METADATA, "")).encode()
            if not hmac.compare_digest(given, self._secret.encode()):
                context.abort(
                    grpc.StatusCode.UNAUTHENTICATED, f"the metadata {SECRET_METADATA} does not hold the secret"
                )
        host = (str(metadata.get(RUNTIME_METADATA, "")), _epoch(metadata, context))
        if not self._attaching.acquire(blocking=False):
            self._refuse(host, context)
        self._host = host
        context.add_callback(self._lose_host)
        self._frames = frames
        self._tokens.put(None)
        if self._visitors is not None:
            self._visitors.attached(context.peer())
            hello = pack_message(self._visitors.greet(host[1]), self._encode)
            assert isinstance(hello, bytes)  # it is small
            yield write_frame([hello])
        yield from self._frames_to_send()

    def _refuse(self, host: tuple[str, int], context: grpc.ServicerContext) -> NoReturn:
        """Refuses a host while another is attached, or was.

        A host that has lost its connection may come back before this worker has noticed: it comes with a higher number,
        and what it left is ended. That may be in the middle of a call, so that the whole process is.
        """
        visitors = self._visitors
        runtime, epoch = host
        if visitors is not None:
            is_later = runtime != "" and runtime == self._host[0] and epoch > self._host[1]
            if is_later and not self._has_ended.is_set():
                threading.Timer(_LAST_WORDS_S, visitors.lost).start()
            if is_later or self._has_ended.is_set() or self._is_closing:
                context.set_trailing_metadata(_TRY_AGAIN)
                context.abort(
                    grpc.StatusCode.UNAVAILABLE, "this worker ends with its last host, and starts anew: try again"
                )
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "this worker already serves a host")
        raise AssertionError("abort raises")

    def receive(self) -> Frame | None:
        """See `Lane.receive`."""
        while True:
            frame = self._take()
            if frame is not NOTHING:
                return frame
            if self._frames is None or self._reading_thread is not None:
                wait_token(self._tokens)
            else:  # without a hand-over between threads
                self._read()

    def receive_or_wake(self) -> Frame | None:
        """See `Lane.receive_or_wake`."""
        while True:
            frame = self.receive_now()
            if frame is not NOTHING:
                return frame
            if self._is_woken:
                self._is_woken = False
                return NOTHING
            wait_token(self._tokens)

    def receive_now(self) -> Frame | None:
        """See `Lane.receive_now`."""
        # gRPC itself can only be waited for without end: a thread of its own does.
        if self._frames is not None and self._reading_thread is None:
            self._reading_thread = threading.Thread(target=self._read_all, name="hognose-grpc-read", daemon=True)
            self._reading_thread.start()
        return self._take()

    def wake(self) -> None:
        """See `Lane.wake`."""
        self._is_woken = True
        self._tokens.put(None)

    def pack(self, message: list[Any]) -> Packed:
        """See `Lane.pack`."""
        return pack_message(message, self._encode)

    def write(self, packed: Iterable[Packed]) -> None:
        """See `Lane.write`."""
        if self._host_is_gone:
            raise BrokenPipeError("the host has ended its stream")
        ready = self._backlog.sort(packed)
        if ready:
            self._written += 1
            self._sent.append(ready)
        self._send_tokens.put(None)

    def settle(self) -> None:
        """See `Lane.settle`."""
        wanted = self._written
        if self._left >= wanted:
            return
        departures = self._departures = queue.SimpleQueue()
        while self._left < wanted and not self._host_is_gone:
            with contextlib.suppress(queue.Empty):
                departures.get(timeout=_LOOK_AGAIN_S)  # one may have left before this queue was known
        self._departures = None

    def close(self) -> None:
        """See `Lane.close`."""
        self._is_closing = True
        self._send_tokens.put(None)
        if self._attaching.acquire(blocking=False):  # no host was there, and none comes any more
            self._has_ended.set()
        self._has_ended.wait()
        self.health.end()
        self.server.stop(grace=1).wait()

    def _read(self) -> bool:
        """Waits for a frame of the stream; False at its end."""
        assert self._frames is not None
        try:
            self._received.append(next(self._frames))
        except (StopIteration, grpc.RpcError):  # the host has ended it, or is gone
            self._received.append(None)
            return False
        return True

    def _read_all(self) -> None:
        while self._read():
            self._tokens.put(None)
        self._tokens.put(None)

    def _lose_host(self) -> None:
        self._host_is_gone = True
        self._has_ended.set()
        self._send_tokens.put(None)
        if self._visitors is not None and not self._is_closing:
            self._visitors.lost()

    def _frames_to_send(self) -> Iterator[bytes]:
        """Frames as gRPC asks for them: it asks for the next when the last has left."""
        parts: Iterator[bytes] | None = None
        last_large_id = 0
        while not self._host_is_gone:
            if self._sent:
                yield write_frame(self._sent.popleft())
                self._left += 1  # gRPC asks for the next when this one was sent
                if self._departures is not None:
                    self._departures.put(None)
                if parts is None:
                    continue
            if parts is None:
                item = self._backlog.first()
                if item is None:
                    if self._is_closing:
                        return
                    self._send_tokens.get()
                elif isinstance(item, LargeMessage):
                    last_large_id += 1
                    parts = part_frames(last_large_id, item)
                else:
                    yield write_frame([item])
                    self._backlog.items.popleft()
            elif (part := next(parts, None)) is not None:
                yield part
            else:
                parts = None
                self._backlog.items.popleft()

    def _take(self) -> Frame | None:
        """The next frame with a message of what has arrived; None at the end, and `NOTHING` where there is none."""
        while self._received:
            frame = self._received[0]
            if frame is None:  # stays, for whoever asks again
                return None
            self._received.popleft()
            messages: list[list[Any]] = []
            is_broken = False
            for union in frame.messages:
                message, is_message_broken = self._read_message(union)
                is_broken = is_broken or is_message_broken
                if message is not None:
                    messages.append(message)
            if messages:
                return messages, is_broken
        return NOTHING

    def _read_message(self, union: Any) -> tuple[list[Any] | None, bool]:
        message, is_broken = self._reader.read(union)
        if message[0] != HOST_MESSAGE_CHUNK:
            return message, is_broken
        call = message[4]
        try:
            data = self._assembly.add(message)
            if data is None:
                return None, False
            return self._reader.read(_HOST_MESSAGE.FromString(bytes(data)))
        except Unassembled as error:
            return undecodable_call(call, error.reason), True
        except Exception as error:  # protobuf's DecodeError differs between its implementations
            if call == 0 or isinstance(error, ProtocolError):
                raise
            return undecodable_call(call, f"the call cannot be read: {type(error).__name__}: {error}"), True


_HOST_MESSAGE: Final = message_class("HostMessage")


def _epoch(metadata: dict[str, str | bytes], context: grpc.ServicerContext) -> int:
    text = str(metadata.get(EPOCH_METADATA, "0"))
    if not (text.isascii() and text.isdigit() and int(text[:20]) <= _MAX_EPOCH):
        context.abort(
            grpc.StatusCode.INVALID_ARGUMENT, f"the metadata {EPOCH_METADATA} is no number from 0 to {_MAX_EPOCH}"
        )
    return int(text)


def _worker_service(lane: GrpcLane) -> grpc.GenericRpcHandler:
    handler = grpc.stream_stream_rpc_method_handler(
        lane.attach,
        request_deserializer=message_class("HostFrame").FromString,
        response_serializer=lambda frame: frame,
    )
    return grpc.method_handlers_generic_handler("hognose.v1.Worker", {"Attach": handler})
