#!/usr/bin/env python3
"""Run a program of this machine on a NUMA machine: a QEMU guest with 2 sockets, 2 NUMA nodes and 4 CPUs.

    guest.py [--cpu MODEL] [--cache DIR] [--timeout SECONDS] [--file PATH]... [--env NAME=VALUE]... [--shell COMMANDS]
             -- PROGRAM [ARGUMENT]...

The guest boots Debian's cloud kernel (downloaded and unpacked, not installed) with an initramfs of busybox, the program
and its shared libraries, in software emulation: any CPU model can be had, and no privileges are needed. The program's
standard output and exit status become ours. With --shell busybox's shell runs these commands instead: $program is the
program, files are in /payload, the working directory is writable. Status 77: the guest cannot be had here, the reason is on standard error.
"""

import argparse
import os
import pathlib
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import time

SKIP = 77
STATUS_LINE = "rhm-guest-status"
CPUS, SOCKETS, NODES, NODE_MEBIBYTES = 4, 2, 2, 384

INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t tmpfs tmp /tmp
/bin/busybox stty -F /dev/ttyS1 raw
cd /tmp
/bin/busybox sh /payload/run >/dev/ttyS1 </dev/null
echo "{line} $?"
/bin/busybox poweroff -f
"""


def skip(reason):
    print(f"SKIPPED: no NUMA guest on this machine: {reason}", file=sys.stderr)
    sys.exit(SKIP)


def tool(name, package):
    path = shutil.which(name)
    if not path:
        skip(f"{name} is not installed (Debian package {package})")
    return path


def kernel_package():
    """Name of the real package behind linux-image-cloud-amd64."""
    shown = subprocess.run(["apt-cache", "show", "linux-image-cloud-amd64"], capture_output=True, text=True).stdout
    found = re.search(r"^Depends:.*?(linux-image-[\w.+-]+-cloud-amd64)", shown, re.MULTILINE)
    if not found:
        skip("apt knows no package linux-image-cloud-amd64 (apt-get update?)")
    return found.group(1)


def kernel(cache):
    """The kernel image, downloaded once."""
    image = cache / "vmlinuz"
    if image.exists():
        return image
    tool("apt-get", "apt")
    tool("dpkg", "dpkg")
    package = kernel_package()
    with tempfile.TemporaryDirectory(dir=cache) as work:
        got = subprocess.run(["apt-get", "download", package], cwd=work, capture_output=True, text=True, timeout=300)
        archives = list(pathlib.Path(work).glob("*.deb"))
        if got.returncode or not archives:
            said = got.stderr.strip().splitlines() or [f"status {got.returncode}"]
            skip(f"apt-get cannot download {package}: {said[-1]}")
        subprocess.run(["dpkg", "-x", archives[0], "unpacked"], cwd=work, check=True)
        # Renamed into place, so that guests started side by side see all of it or nothing.
        os.replace(next(pathlib.Path(work, "unpacked/boot").glob("vmlinuz-*")), image)
    return image


class Archive:
    """An initramfs in cpio's "newc" format, written here so that no root and no cpio are needed."""

    def __init__(self, path):
        self.file = open(path, "wb")
        self.directories = set()
        self.inode = 0

    def _entry(self, name, mode, data):
        self.inode += 1
        encoded = name.encode() + b"\0"
        fields = [self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(encoded), 0]
        header = b"070701" + b"".join(b"%08X" % field for field in fields) + encoded
        self.file.write(header + b"\0" * (-len(header) % 4) + data + b"\0" * (-len(data) % 4))

    def directory(self, path):
        for parent in [*reversed(pathlib.PurePosixPath(path).parents), pathlib.PurePosixPath(path)]:
            name = str(parent).lstrip("/")
            if name and name not in self.directories:
                self.directories.add(name)
                self._entry(name, stat.S_IFDIR | 0o755, b"")

    def add(self, path, data, mode=0o755):
        self.directory(pathlib.PurePosixPath(path).parent)
        self._entry(path.lstrip("/"), stat.S_IFREG | mode, data)

    def close(self):
        self._entry("TRAILER!!!", 0, b"")
        self.file.close()


def libraries(program):
    """Paths of the shared libraries and the loader that a program needs, as the loader will look for them."""
    shown = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    if "not found" in shown:
        sys.exit(f"guest.py: {program} lacks libraries here:\n{shown}")
    needed = set(re.findall(r"(/\S+) \(0x", shown))
    # The C library loads this one by itself, beside it, when a thread ends by pthread_exit.
    unwinder = [os.path.join(os.path.dirname(path), "libgcc_s.so.1") for path in needed if path.endswith("/libc.so.6")]
    return sorted(needed | set(filter(os.path.exists, unwinder)))


def initramfs(path, busybox, arguments, files, environment, shell):
    archive = Archive(path)
    for directory in ("/proc", "/sys", "/dev", "/tmp"):
        archive.directory(directory)
    archive.add("/bin/busybox", pathlib.Path(busybox).read_bytes())
    archive.add("/init", INIT.format(line=STATUS_LINE).encode())
    program = os.path.realpath(arguments[0])
    archive.add("/payload/program", pathlib.Path(program).read_bytes())
    for library in libraries(program):
        archive.add(library, pathlib.Path(library).read_bytes())
    for name in files:
        archive.add("/payload/" + os.path.basename(name), pathlib.Path(name).read_bytes())
    # An emulated CPU that spins at a barrier takes a host CPU from those that work.
    exports = "".join(f"export {shlex.quote(variable)}\n" for variable in ["OMP_WAIT_POLICY=passive", *environment])
    commands = f"program=/payload/program\n{shell}" if shell else f"exec /payload/program {shlex.join(arguments[1:])}"
    archive.add("/payload/run", f"{exports}{commands}\n".encode())
    archive.close()


def boot(qemu, image, archive, cpu, timeout, work):
    console, output = work / "console", work / "output"
    command = [qemu, "-accel", "tcg,thread=multi", "-machine", "pc,hpet=off", "-cpu", cpu, "-nodefaults", "-no-user-config",
               "-display", "none", "-no-reboot", "-m", str(NODES * NODE_MEBIBYTES),
               "-smp", f"{CPUS},sockets={SOCKETS},cores={CPUS // SOCKETS},threads=1"]
    for node in range(NODES):
        first, last = node * CPUS // NODES, (node + 1) * CPUS // NODES - 1
        command += ["-object", f"memory-backend-ram,id=memory{node},size={NODE_MEBIBYTES}M",
                    "-numa", f"node,nodeid={node},cpus={first}-{last},memdev=memory{node}"]
    if os.path.exists("/usr/share/qemu/qboot.rom"):  # half a second less than SeaBIOS
        command += ["-bios", "qboot.rom"]
    command += ["-serial", f"file:{console}", "-serial", f"file:{output}",
                "-kernel", str(image), "-initrd", str(archive),
                "-append", "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off cryptomgr.notests no_timer_check"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        complaint = process.communicate(timeout=timeout)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        complaint = f"no end after {timeout:g} s"
    log = console.read_text(errors="replace") if console.exists() else ""
    return log, output.read_bytes() if output.exists() else b"", complaint.strip()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].strip())
    parser.add_argument("--cpu", default="max")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2] / "build/guest")
    parser.add_argument("--timeout", type=float, default=120)
    parser.add_argument("--file", action="append", default=[])
    parser.add_argument("--env", action="append", default=[])
    parser.add_argument("--shell")
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()

    qemu = tool("qemu-system-x86_64", "qemu-system-x86")
    busybox = tool("busybox", "busybox-static")
    if libraries(busybox):
        skip("busybox is not the static one (Debian package busybox-static)")
    options.cache.mkdir(parents=True, exist_ok=True)
    image = kernel(options.cache)
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        initramfs(work / "initramfs", busybox, options.program, options.file, options.env, options.shell)
        begin = time.monotonic()
        log, output, complaint = boot(qemu, image, work / "initramfs", options.cpu, options.timeout, work)
    sys.stdout.buffer.write(output)
    sys.stdout.flush()
    ending = re.search(rf"^{STATUS_LINE} (\d+)", log, re.MULTILINE)
    said = log[: ending.start()] if ending else log
    sys.stderr.write(said.replace("\r", ""))
    print(f"guest of CPU model {options.cpu}: {time.monotonic() - begin:.1f} s", file=sys.stderr)
    if not ending:
        sys.exit(f"the guest did not finish: {complaint or 'it stopped by itself'}")
    sys.exit(int(ending.group(1)))


if __name__ == "__main__":
    main()
