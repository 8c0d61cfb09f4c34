"""kazoo's part in the tests of recipes; the language is that of ../curator/Peer.java.

Requests are lines of JSON on stdin, each with an id, an actor, the address of the server, the name of an operation
and its arguments; answers are lines of JSON on stdout with the id and a value or an error. Every actor is a thread
with a session of its own and does one thing after the other.
"""
import json
import queue
import sys
import threading
import traceback

from kazoo.client import KazooClient
from kazoo.exceptions import LockTimeout
from kazoo.recipe.barrier import Barrier, DoubleBarrier
from kazoo.recipe.counter import Counter
from kazoo.recipe.election import Election
from kazoo.recipe.lock import Lock, ReadLock, Semaphore, WriteLock
from kazoo.recipe.party import Party, ShallowParty
from kazoo.recipe.queue import LockingQueue, Queue

out = threading.Lock()


def answer(rq, **fields):
    with out:
        print(json.dumps(dict(fields, id=rq["id"])), flush=True)


class Witness:
    """The tree in which everybody says what he has, and looks at what others have."""

    def __init__(self, zk, path, actor):
        self.zk, self.path, self.actor = zk, path, actor

    def alone(self, sequence):
        self.zk.create(self.path + "/alone", ephemeral=True)  # fails if there is another one
        if self.count("shared-") > 0:
            raise Exception("shared and alone at a time")
        self.log(sequence)
        self.zk.delete(self.path + "/alone")

    def shared(self, limit):
        node = self.zk.create(self.path + "/shared-", ephemeral=True, sequence=True)
        if self.zk.exists(self.path + "/alone"):
            raise Exception("alone and shared at a time")
        if self.count("shared-") > limit:
            raise Exception("more than %d at a time" % limit)
        self.log(-1)
        self.zk.delete(node)

    def count(self, prefix):
        return sum(name.startswith(prefix) for name in self.zk.get_children(self.path))

    def log(self, sequence):
        self.zk.create(self.path + "/log/e-", ("%s %d" % (self.actor, sequence)).encode(), sequence=True)


class Partitioning(threading.Thread):
    """A member of a SetPartitioner, which says in the witness what it owns."""

    def __init__(self, zk, rq, actor):
        super().__init__(daemon=True)
        self.zk, self.rq, self.actor = zk, rq, actor
        self.owned = []
        self.error = None
        self.stop = threading.Event()
        self.start()

    def run(self):
        try:
            p = self.zk.SetPartitioner(self.rq["path"], set=tuple(self.rq["set"]), identifier=self.actor,
                                       time_boundary=0.2, max_reaction_time=0.2)
            while not self.stop.is_set():
                if p.failed:
                    raise Exception("the partitioner failed")
                if p.release:
                    self.give_up()
                    p.release_set()
                elif p.acquired:
                    if not self.owned:
                        self.take(sorted(p))
                    self.stop.wait(0.01)
                else:
                    p.wait_for_acquire(timeout=0.1)
            self.give_up()
            p.finish()
        except Exception as e:
            traceback.print_exc()
            self.error = repr(e)

    def take(self, names):
        for name in names:  # fails if somebody else has it
            self.zk.create(self.rq["witness"] + "/" + name, ephemeral=True)
        self.owned = names

    def give_up(self):
        for name in self.owned:
            self.zk.delete(self.rq["witness"] + "/" + name)
        self.owned = []


class Actor(threading.Thread):
    def __init__(self, name):
        super().__init__(daemon=True)
        self.actor = name
        self.requests = queue.Queue()
        self.clients = {}
        self.objects = {}
        self.start()

    def run(self):
        while True:
            rq = self.requests.get()
            try:
                family, verb = rq["op"].split(".")
                answer(rq, value=getattr(self, family)(self.client(rq), verb, rq))
            except BaseException as e:
                traceback.print_exc()
                answer(rq, error=repr(e))

    def client(self, rq):
        addr = rq["addr"]
        if addr not in self.clients:
            zk = KazooClient(addr, timeout=rq.get("timeout", 10.0))
            zk.start(timeout=20)
            self.clients[addr] = zk
        return self.clients[addr]

    def at(self, rq, kind, make):
        """Returns the recipe of a kind at a path, which is made once."""
        key = (kind, rq["addr"], rq["path"])
        if key not in self.objects:
            self.objects[key] = make()
        return self.objects[key]

    def witness(self, zk, rq):
        return Witness(zk, rq["witness"], self.actor)

    def mutex(self, zk, verb, rq):
        lock = self.at(rq, "mutex", lambda: Lock(zk, rq["path"], self.actor))
        if verb == "turns":
            w = self.witness(zk, rq)
            for _ in range(rq["rounds"]):
                with lock:
                    w.alone(int(lock.node[-10:]))
        elif verb == "acquire":
            try:
                return lock.acquire(timeout=rq["ms"] / 1000)
            except LockTimeout:
                return False
        elif verb == "release":
            return lock.release()
        elif verb == "contenders":
            return lock.contenders()

    def rw(self, zk, verb, rq):
        write = rq["write"]
        lock = self.at(rq, "rw%s" % write, lambda: (WriteLock if write else ReadLock)(zk, rq["path"], self.actor))
        if verb == "acquire":
            try:
                return lock.acquire(timeout=rq["ms"] / 1000)
            except LockTimeout:
                return False
        if verb == "release":
            return lock.release()
        w = self.witness(zk, rq)
        for _ in range(rq["rounds"]):
            with lock:
                if write:
                    w.alone(int(lock.node[-10:]))
                else:
                    w.shared(1000)

    def semaphore(self, zk, verb, rq):
        s = self.at(rq, "semaphore", lambda: Semaphore(zk, rq["path"], self.actor, max_leases=rq["limit"]))
        if verb == "holders":
            return sorted(s.lease_holders())
        w = self.witness(zk, rq)
        for _ in range(rq["rounds"]):
            with s:
                w.shared(rq["limit"])

    def election(self, zk, verb, rq):
        e = self.at(rq, "election", lambda: Election(zk, rq["path"], self.actor))
        if verb == "contenders":
            return e.contenders()
        w = self.witness(zk, rq)
        for _ in range(rq["rounds"]):
            e.run(lambda: w.alone(int(e.lock.node[-10:])))

    def barrier(self, zk, verb, rq):
        b = self.at(rq, "barrier", lambda: Barrier(zk, rq["path"]))
        if verb == "set":
            return b.create()
        if verb == "remove":
            return b.remove()
        return b.wait(timeout=rq["ms"] / 1000)

    def double(self, zk, verb, rq):
        b = self.at(rq, "double", lambda: DoubleBarrier(zk, rq["path"], rq["members"], identifier=self.actor))
        if verb == "enter":
            b.enter()
            return b.participating
        b.leave()
        return not b.participating

    def counter(self, zk, verb, rq):
        c = self.at(rq, "counter", lambda: Counter(zk, rq["path"], default=rq.get("default", 0), support_curator=rq.get("curator", False)))
        for _ in range(rq.get("rounds", 0)):
            c += rq["delta"]
        return c.value

    def queue(self, zk, verb, rq):
        q = self.at(rq, "queue", lambda: Queue(zk, rq["path"]))
        if verb == "put":
            return q.put(rq["item"].encode(), priority=rq.get("priority", 100))
        if verb == "len":
            return len(q)
        item = q.get()
        return None if item is None else item.decode()

    def locking(self, zk, verb, rq):
        q = self.at(rq, "locking", lambda: LockingQueue(zk, rq["path"]))
        if verb == "put":
            return q.put(rq["item"].encode(), priority=rq.get("priority", 100))
        if verb == "get":
            item = q.get(timeout=rq["ms"] / 1000)
            return None if item is None else item.decode()
        if verb == "consume":
            return q.consume()
        return q.release()

    def partition(self, zk, verb, rq):
        p = self.at(rq, "partition", lambda: Partitioning(zk, rq, self.actor))
        if verb == "stop":
            p.stop.set()
            p.join()
        if p.error:
            raise Exception(p.error)
        return p.owned

    def party(self, zk, verb, rq):
        kind = ShallowParty if rq.get("shallow") else Party
        p = self.at(rq, "party", lambda: kind(zk, rq["path"], self.actor))
        if verb == "join":
            return p.join()
        if verb == "leave":
            return p.leave()
        return sorted(p)


actors = {}
for line in sys.stdin:
    request = json.loads(line)
    name = request["actor"]
    if name not in actors:
        actors[name] = Actor(name)
    actors[name].requests.put(request)
