"""The API as processes: one or several workers on one socket, stopped without losing a request."""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType

from pipelines.base.config import Settings
from pipelines.base.errors import ServiceError, SettingsError
from pipelines.serve.http.auth import KeyRing, check_reach, read_keys

logger = logging.getLogger(__name__)

#: Connections that wait to be accepted.
BACKLOG = 1024
#: Longest wait for requests that are being answered when the server stops.
GRACE_SECONDS = 10
#: Pause before a worker that died is started again.
_RESTART_SECONDS = 1.0
_STOPPING = (signal.SIGTERM, signal.SIGINT)


def run_server(
    settings: Settings, host: str, port: int, n_workers: int, on_listening: Callable[[int], None]
) -> None:
    """Serve until SIGTERM or SIGINT; requests are finished and logs flushed before it returns.

    Parameters
    ----------
    settings : Settings
    host : str
    port : int
        0 for any free one.
    n_workers : int
        Processes that share the socket.
    on_listening : callable
        Called with the port once it is bound.

    Raises
    ------
    SettingsError
        If others could reach the API and there are no keys, or a file of keys holds none.
    ServiceError
        If the address cannot be listened on.
    """
    keys = read_keys(settings)
    check_reach(host, keys)
    with _listen(host, port) as listener:
        on_listening(listener.getsockname()[1])
        if n_workers == 1:
            _run_worker(settings, listener, 1, keys)
        else:
            _Workers(settings, listener, n_workers, keys).run()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ServiceError(
            f"The API must be able to listen on {host}:{port}. Found {error}. "
            "Stop what listens there, or choose another --port."
        ) from error
    return listener


def _run_worker(settings: Settings, listener: socket.socket, n_workers: int, keys: KeyRing) -> None:
    """Answer requests in this process until it is told to stop."""
    import uvicorn

    from pipelines.serve.http.app import create_app
    from pipelines.serve.http.connections import Connections, limits_of
    from pipelines.serve.log.clock import file_clock, utc_now

    name = settings.serve.clock_file
    clock = file_clock(settings.home / name) if name else utc_now
    app = create_app(settings, clock=clock, n_workers=n_workers, keys=keys)
    connections = Connections(limits_of(settings.serve), app.state.metrics)
    config = uvicorn.Config(
        app,
        http=connections.protocol(),
        ws="none",
        backlog=BACKLOG,
        log_level="error",  # a warning is of what a client sent, as often as it likes
        access_log=False,  # paths hold user ids
        proxy_headers=False,  # a client must not choose the address it is limited by
        server_header=False,
        lifespan="on",
        timeout_keep_alive=math.ceil(settings.serve.idle_seconds),
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = uvicorn.Server(config)

    def stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    for number in _STOPPING:
        # uvicorn has handlers of its own while it serves, and raises the signal again once it has
        # stopped, which must not end the process badly
        signal.signal(number, stop)
    server.run(sockets=[listener])


class _Workers:
    """A parent that only starts workers, starts them again, and tells them to stop."""

    def __init__(
        self, settings: Settings, listener: socket.socket, n_workers: int, keys: KeyRing
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._n_workers = n_workers
        self._keys = keys
        self._children: set[int] = set()
        self._is_stopping = False

    def run(self) -> None:
        for number in _STOPPING:
            signal.signal(number, self._stop)
        for _ in range(self._n_workers):
            self._start()
        while self._children:
            child, status = os.wait()
            self._children.discard(child)
            if not self._is_stopping:
                logger.error("worker %s ended with %s; starting another", child, status)
                time.sleep(_RESTART_SECONDS)
                self._start()

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._is_stopping = True
        for child in self._children:
            os.kill(child, signal.SIGTERM)

    def _start(self) -> None:
        if self._is_stopping:
            return
        try:
            self._keys.refresh()  # a worker begins with the keys of now
        except SettingsError as error:
            logger.error("the keys stay as they were: %s", error)
        parent = os.getpid()
        # A signal waits until the parent knows the child, and the child has no handler of the
        # parent's. Nothing but this thread runs in the parent: a fork copies no lock that is held.
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
        child = os.fork()
        if child:
            self._children.add(child)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
            return
        code = 1
        try:
            for number in _STOPPING:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPPING)
            threading.Thread(target=_stop_with, args=(parent,), daemon=True).start()
            _run_worker(self._settings, self._listener, self._n_workers, self._keys)
            code = 0
        finally:
            os._exit(code)


def _stop_with(parent: int) -> None:
    """End this worker when its parent is gone."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)
