"""Threads: which the library uses, how a process that forks keeps them, and long runs that Ctrl-C ends."""
import os
import signal
import threading
import weakref
from ctypes import byref, c_int, c_void_p

from . import _arrays as arrays
from . import _structures as c
from ._library import InterruptedRun, InvalidError, call, library
from ._progress import Pace, display_of

MOST_THREADS = 4096
MOST_NBYTES = 1 << 62
WORDS = {"placement": "'compact', 'scatter', 'none' or '0,2,4-7'", "isa": "'auto', 'scalar', 'avx2' or 'avx512'",
         "backend": "'native', 'onednn' or 'auto'"}


class Engine:
    """The threads that calls run on, and the kernels that they use. Results do not depend on either.

    threads: how many; 0: one per allowed core. placement: "compact", "scatter", "none" or a list of processors such as "0,2,4-7"; None:
    wherever the system puts them for short calls, and off busy cores for long ones. isa: "auto", "scalar", "avx2", "avx512". backend:
    "native", "onednn", "auto". memory_limit: bytes that large arrays may take together; 0: what the machine has.

    Threads are started at the first call and end with the object. Any thread may call; calls of one engine follow each other. A process
    may fork at any time: what its parent's threads do is nothing to the child, which gets threads of its own at its first call."""

    def __init__(self, threads=0, placement=None, isa=None, backend=None, memory_limit=0):
        for name, value in (("placement", placement), ("isa", isa), ("backend", backend)):
            if value is not None and not isinstance(value, str):
                raise InvalidError(f"{name} is {value!r}: text such as {WORDS[name]} is wanted")
        self.options = {"threads": arrays.whole(threads, "threads", 0, MOST_THREADS), "placement": placement, "isa": isa, "backend": backend,
                        "memory_limit": arrays.whole(memory_limit, "memory_limit", 0, MOST_NBYTES)}
        self._locks = {}  # by process: a child of fork must not wait for threads that it does not have
        self._handle, self._process = None, 0

    def __getstate__(self):
        return self.options

    def __setstate__(self, options):
        self.__init__(**options)

    def __repr__(self):
        return f"Engine({', '.join(f'{name}={value!r}' for name, value in self.options.items() if value)})"

    def _create(self, placement, interrupt=None, progress=None):
        text = lambda value: value.encode() if value is not None else None
        handle, options = c_void_p(), self.options
        call("rhm_engine_open", byref(handle), options["threads"], text(placement), text(options["isa"]), text(options["backend"]),
             options["memory_limit"], interrupt, progress or c.PROGRESS(), None)
        return handle

    def call(self, name, *arguments):
        """Call a function of the library that takes an engine first, on the calling thread."""
        with self._lock():
            call(name, self._shared(), *arguments)

    def _lock(self):
        process = os.getpid()
        return self._locks.get(process) or self._locks.setdefault(process, threading.RLock())

    def _shared(self):
        if self._handle is None or self._process != os.getpid():
            self._handle, self._process = self._create(self.options["placement"] or "none"), os.getpid()
            weakref.finalize(self, _destroy, self._handle, self._process)
        return self._handle

    def run_short(self, task):
        """task(handle) on the calling thread, with the engine of short calls."""
        with self._lock():
            return task(self._shared())

    def run(self, task, progress=None):
        """task(handle), with an engine of its own on a thread of its own: where threads are bound to processors the caller's is not.
        Returns what it returns. Ctrl-C lets the library come back, and raises InterruptedRun then."""
        display = display_of(progress)
        run = _Run(self, task)
        run.thread.start()
        try:
            run.wait(Pace(display))
        finally:
            display.clear()
        return run.result()

    def describe(self):
        """{"threads", "cpu", "isa", "backend", "placement", "numa_nodes", "memory_limit_nbytes"} of the engine of long runs."""
        def task(handle):
            info = library.rhm_engine_describe(handle)
            values = {name: getattr(info, name) for name, _ in info._fields_}
            return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}

        return self.run(task, progress=False)


def _destroy(handle, process):
    if process == os.getpid():
        library.rhm_engine_destroy(handle)


class _Run:
    def __init__(self, engine, task):
        self.engine, self.task = engine, task
        self.interrupt = c_int(0)
        self.state = None
        self.value = self.failure = None
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._work, name="rhm run", daemon=True)

    def _note(self, _, progress):
        now = progress.contents
        self.state = ((now.stage or b"").decode(), now.done, now.total)

    def _work(self):
        try:
            progress = c.PROGRESS(self._note)
            handle = self.engine._create(self.engine.options["placement"], byref(self.interrupt), progress)
            try:
                self.value = self.task(handle)
            finally:
                library.rhm_engine_destroy(handle)
        except BaseException as failure:  # noqa: B036 - it is raised again on the thread that waits
            self.failure = failure
        finally:
            self.done.set()

    def wait(self, pace):
        """Until the library has come back. What Ctrl-C, or the caller's progress function, raises makes it come back early."""
        raised = None
        while not self.done.is_set():
            try:
                if not self.done.wait(0.05):
                    pace.offer(self.state)
            except BaseException as failure:  # noqa: B036
                self.interrupt.value = signal.SIGINT
                raised = raised or failure
        self.thread.join()
        if raised is not None and not isinstance(raised, KeyboardInterrupt):
            raise raised
        if raised is not None and self.failure is None:
            self.failure = InterruptedRun("the run was done when it was interrupted")

    def result(self):
        if self.failure is not None:
            raise self.failure
        return self.value


_default = Engine()


def default_engine():
    """The engine of calls that name none: one thread per allowed core, started at the first of them."""
    return _default


def set_default_engine(engine):
    """Let calls that name no engine use this one."""
    global _default
    _default = _checked(engine)


def _checked(engine):
    if not isinstance(engine, Engine):
        raise InvalidError(f"engine is {engine!r}: an rhm.Engine is wanted")
    return engine


def engine_or_default(engine):
    return _default if engine is None else _checked(engine)

