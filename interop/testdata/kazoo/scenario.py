"""The kazoo scenario: prints one JSON line per step; argument: host:port.

With "orphan" as first argument it makes ephemeral nodes in a short session and dies without closing it.
"""
import json
import os
import subprocess
import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.protocol.states import EventType, KazooState
from kazoo.security import ACL, Id, make_acl, make_digest_acl, OPEN_ACL_UNSAFE, READ_ACL_UNSAFE

LIMIT = 30.0


def plain(v):
    """Makes a result fit for JSON; stats get the field names that all scenarios share."""
    if isinstance(v, BaseException):
        return {"error": type(v).__name__}
    if hasattr(v, "_fields") and "czxid" in v._fields:
        names = {"acl_version": "aversion", "ephemeralOwner": "ephemeralOwner"}
        return {names.get(k, k): getattr(v, k) for k in v._fields}
    if isinstance(v, ACL):
        return [v.perms, v.id.scheme, v.id.id]
    if isinstance(v, bytes):
        return v.decode("latin-1")
    if isinstance(v, (list, tuple)):
        return [plain(e) for e in v]
    return v


def emit(step, result):
    print(json.dumps({"step": step, "result": plain(result)}), flush=True)


def control(what):
    print(json.dumps({"control": what}), flush=True)
    if sys.stdin.readline().strip() != "done":
        sys.exit("control %s failed" % what)


def attempt(step, call, *args, **kwargs):
    """Runs a call and emits its result or the name of its exception."""
    try:
        result = call(*args, **kwargs)
    except KazooException as e:
        result = e
    emit(step, result)
    return result


def wait_for(what, condition):
    end = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > end:
            sys.exit("waited in vain for " + what)
        time.sleep(0.02)


class Watcher:
    """Collects watch events."""

    def __init__(self):
        self.events = []
        self.lock = threading.Lock()

    def __call__(self, event):
        with self.lock:
            self.events.append([event.type, event.state, event.path])

    def emit(self, step, count):
        wait_for("%d events of %s" % (count, step), lambda: len(self.events) >= count)
        with self.lock:
            emit(step, self.events)
            self.events = []


def connect(hosts, timeout=10.0, **more):
    zk = KazooClient(hosts=hosts, timeout=timeout, randomize_hosts=False, **more)
    zk.start(timeout=LIMIT)
    return zk


def nodes(zk):
    attempt("create", zk.create, "/k", b"data")
    attempt("create again", zk.create, "/k", b"data")
    attempt("create without parent", zk.create, "/no/parent", b"")
    attempt("create makepath", zk.create, "/deep/er/est", b"x", makepath=True)
    attempt("create2", zk.create, "/k/two", b"2", include_data=True)
    attempt("create empty", zk.create, "/k/empty", b"")
    attempt("create ephemeral", zk.create, "/k/e", b"e", ephemeral=True)
    attempt("create below ephemeral", zk.create, "/k/e/child", b"")
    attempt("create sequence 0", zk.create, "/k/s-", b"s", sequence=True)
    attempt("create sequence 1", zk.create, "/k/s-", b"s", sequence=True)
    attempt("create ephemeral sequence", zk.create, "/k/es-", b"es", ephemeral=True, sequence=True)
    attempt("create unicode", zk.create, "/k/\u00e4\u20ac", "\u00e4\u20ac".encode())
    attempt("get", zk.get, "/k")
    attempt("get empty", zk.get, "/k/empty")
    attempt("get ephemeral", zk.get, "/k/e")
    attempt("get missing", zk.get, "/missing")
    attempt("exists", zk.exists, "/k")
    attempt("exists missing", zk.exists, "/missing")
    attempt("set", zk.set, "/k", b"v1")
    attempt("set version", zk.set, "/k", b"v2", version=1)
    attempt("set bad version", zk.set, "/k", b"v3", version=1)
    attempt("set missing", zk.set, "/missing", b"")
    attempt("set large", zk.set, "/k/empty", b"x" * 900000)
    attempt("children", lambda: sorted(zk.get_children("/k")))
    attempt("children with stat", lambda: zk.get_children("/k", include_data=True)[1])
    attempt("children missing", zk.get_children, "/missing")
    attempt("delete not empty", zk.delete, "/k")
    attempt("delete bad version", zk.delete, "/k/two", version=5)
    attempt("delete", zk.delete, "/k/two", version=0)
    attempt("delete missing", zk.delete, "/k/two")
    attempt("delete recursive", zk.delete, "/deep", recursive=True)
    attempt("delete reserved", zk.delete, "/zookeeper/quota")
    attempt("sync", zk.sync, "/k")
    attempt("root", lambda: sorted(zk.get_children("/")))
    attempt("config", zk.get, "/zookeeper/config")


def watches(zk, other):
    w = Watcher()
    other.create("/w", b"")
    zk.exists("/w", watch=w)
    zk.exists("/w/new", watch=w)
    zk.get("/w", watch=w)
    zk.get_children("/w", watch=w)
    other.create("/w/new", b"")
    w.emit("watch create", 2)
    other.set("/w", b"1")
    w.emit("watch set", 1)
    zk.get("/w/new", watch=w)
    zk.get_children("/w/new", watch=w)
    zk.get_children("/w", watch=w)
    other.delete("/w/new")
    w.emit("watch delete", 3)  # kazoo tells both the data and the child watcher of the node
    other.set("/w", b"2")
    attempt("no watch left", zk.get, "/w")
    emit("no event left", w.events)
    data = []

    @zk.DataWatch("/w")
    def on_data(value, stat, event):
        data.append([plain(value), event and event.type])
    other.set("/w", b"3")
    wait_for("DataWatch", lambda: len(data) == 2)
    other.delete("/w")
    wait_for("DataWatch", lambda: len(data) == 3)
    emit("DataWatch", data)


def acls(zk, hosts):
    alice = connect(hosts, auth_data=[("digest", "alice:secret")])
    attempt("acl digest", alice.create, "/a", b"s", acl=[make_digest_acl("alice", "secret", all=True)])
    attempt("acl denied get", zk.get, "/a")
    attempt("acl denied set", zk.set, "/a", b"")
    attempt("acl denied create", zk.create, "/a/x", b"")
    attempt("acl denied children", zk.get_children, "/a")
    attempt("acl denied get_acls", zk.get_acls, "/a")
    attempt("acl denied set_acls", zk.set_acls, "/a", OPEN_ACL_UNSAFE)
    attempt("acl denied exists", zk.exists, "/a")
    attempt("acl allowed get", alice.get, "/a")
    attempt("acl own", alice.get_acls, "/a")
    attempt("acl auth", alice.create, "/a/auth", b"", acl=[ACL(31, Id("auth", ""))])
    attempt("acl auth expanded", alice.get_acls, "/a/auth")
    attempt("acl auth of nobody", zk.create, "/nobody", b"", acl=[ACL(31, Id("auth", ""))])
    attempt("acl empty", alice.create, "/a/empty", b"", acl=[ACL(31, Id("digest", "wrong"))])
    attempt("acl ip", zk.create, "/ip", b"", acl=[make_acl("ip", "127.0.0.1", all=True)])
    attempt("acl ip allows", zk.set, "/ip", b"1")
    attempt("acl other ip", zk.create, "/ip2", b"", acl=[make_acl("ip", "10.0.0.0/8", all=True)])
    attempt("acl other ip denies", zk.set, "/ip2", b"1")
    attempt("acl world", zk.create, "/world", b"", acl=READ_ACL_UNSAFE)
    attempt("acl world read", zk.get, "/world")
    attempt("acl world write", zk.set, "/world", b"")
    attempt("set_acls", alice.set_acls, "/a", [make_digest_acl("alice", "secret", all=True), make_acl("world", "anyone", read=True)])
    attempt("set_acls bad version", alice.set_acls, "/a", OPEN_ACL_UNSAFE, version=0)
    attempt("acl masked", zk.get_acls, "/a")
    zk.add_auth("digest", "alice:secret")
    attempt("acl after add_auth", zk.set, "/a", b"2")
    alice.stop()
    alice.close()


def transactions(zk):
    t = zk.transaction()
    t.create("/t", b"")
    t.create("/t/a", b"1", sequence=True)
    t.set_data("/t", b"2")
    t.check("/t", 1)
    t.create("/t/gone", b"", ephemeral=True)
    t.delete("/t/gone")
    attempt("transaction", t.commit)
    t = zk.transaction()
    t.set_data("/t", b"never")
    t.check("/t", 7)
    t.delete("/t")
    attempt("transaction failed", t.commit)
    attempt("after transactions", zk.get, "/t")
    attempt("transaction empty", zk.transaction().commit)


def restarts(zk):
    states = []
    zk.add_listener(states.append)
    session = zk.client_id
    zk.create("/live", b"", ephemeral=True)
    for how in ("restart", "kill"):
        del states[:]
        control(how)
        wait_for("reconnect", lambda: states[-1:] == [KazooState.CONNECTED])
        emit(how + " states", states)
        emit(how + " keeps the session", zk.client_id == session)
        attempt(how + " keeps ephemerals", zk.retry, zk.get, "/live")
        attempt(how + " accepts writes", zk.retry, zk.set, "/live", how.encode())


def expiry(zk, hosts):
    w = Watcher()
    zk.exists("/orphan", watch=w)
    out = subprocess.run([sys.executable, __file__, "orphan", hosts], stdout=subprocess.PIPE, check=True).stdout
    session, password = json.loads(out)
    w.emit("orphan created", 1)
    zk.exists("/orphan", watch=w)
    w.emit("orphan expired", 1)
    attempt("orphan is gone", zk.exists, "/orphan")
    states = []
    late = KazooClient(hosts=hosts, timeout=10.0, client_id=(session, bytes.fromhex(password)))
    late.add_listener(states.append)
    late.start(timeout=LIMIT)
    emit("expired session gets a new one", late.client_id[0] != session)
    late.stop()
    emit("states of the late comer", [s for s in states if s != KazooState.SUSPENDED])
    late.close()


def orphan(hosts):
    zk = connect(hosts, timeout=1.0)
    zk.create("/orphan", b"", ephemeral=True)
    session, password = zk.client_id
    print(json.dumps([session, password.hex()]), flush=True)
    os._exit(0)


def main():
    if sys.argv[1] == "orphan":
        orphan(sys.argv[2])
    hosts = sys.argv[1]
    zk, other = connect(hosts), connect(hosts)
    emit("state", zk.state)
    nodes(zk)
    watches(zk, other)
    acls(zk, hosts)
    transactions(zk)
    restarts(zk)
    expiry(zk, hosts)
    other.stop()
    other.close()
    zk.stop()
    late = connect(hosts)
    attempt("ephemerals after close", lambda: [n for n in late.get_children("/k") if n.startswith("e")])
    late.stop()


main()
