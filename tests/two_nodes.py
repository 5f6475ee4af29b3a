"""Two nodes on one machine: network namespaces with host names of their own and a cable between them."""
import contextlib
import os
import shutil
import subprocess

ADDRESSES = ("10.213.0.1", "10.213.0.2")

# What mpirun takes for ssh: HOST COMMAND..., run in the namespace that has the address.
AGENT = """#!/bin/sh
while [ "${{1#-}}" != "$1" ]; do shift; done
case "$1" in {a}) node=a ;; {b}) node=b ;; *) echo "no node $1" >&2; exit 1 ;; esac
shift
exec ip netns exec {name}-$node unshare -u sh -c "hostname {name}-$node; $*"
"""


def why_not():
    """The reason why there cannot be any here, or None."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    missing = [program for program in ("ip", "unshare", "hostname") if not shutil.which(program)]
    if missing:
        return f"no {', '.join(missing)}: iproute2, util-linux, hostname"
    trial = f"rhm-trial-{os.getpid()}"
    done = subprocess.run(["ip", "netns", "add", trial], capture_output=True, text=True)
    subprocess.run(["ip", "netns", "del", trial], capture_output=True)
    return f"ip netns: {done.stderr.strip()}" if done.returncode else None


@contextlib.contextmanager
def two_nodes(folder):
    """launcher(mpi, a, b): the words before a program that start `a` ranks on the first node and `b` on the second."""
    name = f"rhm{os.getpid()}"
    agent = folder / "agent"
    agent.write_text(AGENT.format(name=name, a=ADDRESSES[0], b=ADDRESSES[1]))
    agent.chmod(0o755)
    ip = lambda *words: subprocess.run(["ip", *words], check=True, capture_output=True, text=True)

    def launcher(mpi, a, b):
        hosts = [f"{address}:{count}" for address, count in zip(ADDRESSES, (a, b)) if count]
        words = {"openmpi": ["mpirun.openmpi", "--mca", "plm_rsh_agent", agent, "--mca", "btl", "tcp,self", "--mca", "oob_tcp_if_include", "10.213.0.0/24",
                             "--mca", "btl_tcp_if_include", "10.213.0.0/24", "-x", "RHM_TEST_JOB", "--host", ",".join(hosts), "--bind-to", "none"],
                 "mpich": ["mpirun.mpich", "-launcher", "ssh", "-launcher-exec", agent, "-iface", f"{name}a", "-hosts", ",".join(hosts)]}[mpi]
        return ["ip", "netns", "exec", f"{name}-a", "unshare", "-u", "sh", "-c", f'hostname {name}-a; exec "$@"', "sh", *map(str, words), "-n", str(a + b)]

    try:
        for node in "ab":
            ip("netns", "add", f"{name}-{node}")
        ip("link", "add", f"{name}a", "netns", f"{name}-a", "type", "veth", "peer", "name", f"{name}b", "netns", f"{name}-b")
        for node, address in zip("ab", ADDRESSES):
            ip("-n", f"{name}-{node}", "addr", "add", f"{address}/24", "dev", f"{name}{node}")
            for device in (f"{name}{node}", "lo"):
                ip("-n", f"{name}-{node}", "link", "set", device, "up")
        yield launcher
    finally:
        for node in "ab":
            subprocess.run(["ip", "netns", "del", f"{name}-{node}"], capture_output=True)
