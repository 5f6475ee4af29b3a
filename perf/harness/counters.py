"""Hardware counters and energy of a process and its threads, or why there are none.

Counters are the kernel's (perf_event_open), opened here with `inherit` and enabled at the exec of the child, user mode only, so that
kernel.perf_event_paranoid up to 2 is enough. Energy is that of whole packages (RAPL), everybody on them included."""
import ctypes
import errno
import os
import platform
import struct
from pathlib import Path

from perf.harness.session import unavailable

HARDWARE, SOFTWARE, CACHE = 0, 1, 3
EVENTS = {
    "cycles": (HARDWARE, 0),
    "instructions": (HARDWARE, 1),
    "cache_references": (HARDWARE, 2),
    "cache_misses": (HARDWARE, 3),
    "branch_misses": (HARDWARE, 5),
    "l1d_read_misses": (CACHE, 0 | 0 << 8 | 1 << 16),
    "dtlb_read_misses": (CACHE, 3 | 0 << 8 | 1 << 16),
    "page_faults": (SOFTWARE, 2),
    "context_switches": (SOFTWARE, 3),
    "cpu_migrations": (SOFTWARE, 4),
}
SYSCALL = {"x86_64": 298, "aarch64": 241}
DISABLED, INHERIT, EXCLUDE_KERNEL, EXCLUDE_HV, ENABLE_ON_EXEC = 1 << 0, 1 << 1, 1 << 5, 1 << 6, 1 << 12
TIME_ENABLED, TIME_RUNNING = 1, 2
ATTRIBUTES_NBYTES = 112
REASONS = {
    errno.ENOENT: "this processor, or the virtual machine around us, does not offer it",
    errno.EOPNOTSUPP: "this processor, or the virtual machine around us, does not offer it",
    errno.ENODEV: "this processor, or the virtual machine around us, does not offer it",
    errno.EACCES: "the system denies it: kernel.perf_event_paranoid is above 2",
    errno.EPERM: "the system denies it: kernel.perf_event_paranoid or the container's seccomp profile",
    errno.ENOSYS: "the kernel was built without it",
}


class Counters:
    """with Counters() as c: run the process; c.values has a number or an "unavailable" per event."""

    def __init__(self):
        self.descriptors, self.values = {}, {}

    def __enter__(self):
        number = SYSCALL.get(platform.machine())
        libc = ctypes.CDLL(None, use_errno=True)
        for name, (kind, config) in EVENTS.items():
            if number is None:
                self.values[name] = unavailable(f"the number of perf_event_open on {platform.machine()} is not known here")
                continue
            flags = DISABLED | INHERIT | ENABLE_ON_EXEC | (EXCLUDE_HV | EXCLUDE_KERNEL if kind != SOFTWARE else 0)
            attributes = struct.pack("=IIQQQQQ", kind, ATTRIBUTES_NBYTES, config, 0, 0, TIME_ENABLED | TIME_RUNNING, flags)
            attributes = attributes.ljust(ATTRIBUTES_NBYTES, b"\0")
            descriptor = libc.syscall(number, attributes, 0, -1, -1, 0)
            if descriptor < 0:
                code = ctypes.get_errno()
                self.values[name] = unavailable(REASONS.get(code, os.strerror(code)))
            else:
                self.descriptors[name] = descriptor
        return self

    def __exit__(self, *_):
        for name, descriptor in self.descriptors.items():
            count, enabled, running = struct.unpack("=QQQ", os.read(descriptor, 24))
            os.close(descriptor)
            # With more events than counters the kernel takes turns.
            self.values[name] = (round(count * enabled / running) if running else
                                 0 if enabled == 0 and count == 0 and EVENTS[name][0] == SOFTWARE else
                                 unavailable("the kernel never had a free counter for it"))
        self.descriptors = {}


class Energy:
    """with Energy() as e: ...; e.value is {"joules": per package domain} or an "unavailable"."""

    def __init__(self, root="/"):
        self.root = Path(root) / "sys/class/powercap"

    def _read(self):
        found, denied = {}, False
        for zone in sorted(self.root.glob("*rapl*:*")):
            try:
                name, energy = (zone / "name").read_text().strip(), int((zone / "energy_uj").read_text())
                limit = int((zone / "max_energy_range_uj").read_text())
            except PermissionError:
                denied = True
                continue
            except (OSError, ValueError):
                continue
            found[f"{zone.name} {name}"] = (energy, limit)
        return found, denied

    def __enter__(self):
        self.before, self.denied = self._read()
        return self

    def __exit__(self, *_):
        after, _ = self._read()
        if self.before:
            self.value = {"joules": {zone: (after[zone][0] - start) % limit * 1e-6 if limit else (after[zone][0] - start) * 1e-6
                                     for zone, (start, limit) in self.before.items() if zone in after}}
        elif self.denied:
            self.value = unavailable("RAPL counters may be read by the superuser only")
        else:
            self.value = unavailable("the kernel shows no RAPL counters; virtual machines seldom have them")
