"""How many cycles a second a processor really does, whatever its label says: by a chain of additions that wait for each other, one a cycle,
against the clock. Told of the processor that this process is on, at the moment at which it asks."""
import ctypes
import functools
import mmap
import platform
import struct
import time

from perf.harness.session import unavailable

ADDITIONS, ROUNDS, CHAINS = 64, 1000, 3  # some 20 microseconds each
UNKNOWN = "additions cannot be timed here: another architecture, or a system that lets nobody write code"


def _code():
    """Machine code of uint64 chain(uint64 step). Of registers: processors add constants while they rename, several a cycle."""
    if platform.machine() == "x86_64":
        body = b"\x48\x01\xf8" * ADDITIONS + b"\xff\xc9"  # add rax, rdi; dec ecx
        return b"\x48\x89\xf8\xb9" + struct.pack("<I", ROUNDS) + body + b"\x0f\x85" + struct.pack("<i", -len(body) - 6) + b"\xc3"
    return None


@functools.cache
def _chain():
    """The function, or None."""
    code = _code()
    try:
        memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC) if code else None
    except (OSError, ValueError):
        return None
    if memory is None:
        return None
    memory.write(code)
    function = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(memory)))
    function.memory = memory  # lives as long as the function
    return function


def by_additions():
    """Hertz, or None."""
    chain = _chain()
    if chain is None:
        return None
    least = float("inf")
    for i in range(CHAINS):
        begin = time.perf_counter()
        chain(i + 3)
        least = min(least, time.perf_counter() - begin)
    return ADDITIONS * ROUNDS / least


def told():
    return by_additions() or unavailable(UNKNOWN)
