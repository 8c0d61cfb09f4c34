// Curator's part in the tests of recipes. Requests are lines of JSON on stdin, each with an id, an actor, the address
// of the server, the name of an operation and its arguments; answers are lines of JSON on stdout with the id and a
// value or an error. Every actor is a thread with a session of its own and does one thing after the other; the
// operations "…turns" take a recipe's turn many times and write down in a tree called the witness when they have it.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.atomic.AtomicValue;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.leader.LeaderSelector;
import org.apache.curator.framework.recipes.leader.LeaderSelectorListenerAdapter;
import org.apache.curator.framework.recipes.leader.Participant;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.framework.recipes.queue.DistributedPriorityQueue;
import org.apache.curator.framework.recipes.queue.DistributedQueue;
import org.apache.curator.framework.recipes.queue.QueueBuilder;
import org.apache.curator.framework.recipes.queue.QueueConsumer;
import org.apache.curator.framework.recipes.queue.QueueSerializer;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.framework.state.ConnectionState;
import org.apache.curator.retry.RetryOneTime;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceType;
import org.apache.curator.x.discovery.UriSpec;
import org.apache.zookeeper.CreateMode;

public class Peer {
    static final ObjectMapper JSON = new ObjectMapper();
    static final Map<String, Actor> ACTORS = new ConcurrentHashMap<>();

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode rq = JSON.readTree(line);
            ACTORS.computeIfAbsent(rq.get("actor").asText(), Actor::new).submit(rq);
        }
        System.exit(0); // whoever has asked is gone
    }

    static synchronized void answer(JsonNode rq, Object value, Throwable error) {
        ObjectNode r = JSON.createObjectNode();
        r.set("id", rq.get("id"));
        if (error != null) {
            error.printStackTrace();
            r.put("error", error.toString());
        } else {
            r.set("value", JSON.valueToTree(value));
        }
        System.out.println(r);
    }

    /** What the instances of a service carry. */
    public static class Payload {
        public String role;
        public int weight;
    }

    /** The tree in which everybody says what he has, and looks at what others have. */
    static class Witness {
        final CuratorFramework client;
        final String path;
        final String actor;

        Witness(CuratorFramework client, String path, String actor) {
            this.client = client;
            this.path = path;
            this.actor = actor;
        }

        void alone(long sequence) throws Exception {
            client.create().withMode(CreateMode.EPHEMERAL).forPath(path + "/alone"); // fails if there is another one
            if (count("shared-") > 0) {
                throw new IllegalStateException("shared and alone at a time");
            }
            log(sequence);
            client.delete().forPath(path + "/alone");
        }

        void shared(int limit) throws Exception {
            String node = client.create().withMode(CreateMode.EPHEMERAL_SEQUENTIAL).forPath(path + "/shared-");
            if (client.checkExists().forPath(path + "/alone") != null) {
                throw new IllegalStateException("alone and shared at a time");
            }
            if (count("shared-") > limit) {
                throw new IllegalStateException("more than " + limit + " at a time");
            }
            log(-1);
            client.delete().forPath(node);
        }

        int count(String prefix) throws Exception {
            int n = 0;
            for (String name : client.getChildren().forPath(path)) {
                if (name.startsWith(prefix)) {
                    n++;
                }
            }
            return n;
        }

        void log(long sequence) throws Exception {
            byte[] line = (actor + " " + sequence).getBytes(StandardCharsets.UTF_8);
            client.create().withMode(CreateMode.PERSISTENT_SEQUENTIAL).forPath(path + "/log/e-", line);
        }
    }

    /** A thread, its session and its recipes. */
    static class Actor {
        final String name;
        final ExecutorService thread = Executors.newSingleThreadExecutor();
        final Map<String, CuratorFramework> clients = new HashMap<>();
        final Map<String, Object> objects = new HashMap<>();

        Actor(String name) {
            this.name = name;
        }

        void submit(JsonNode rq) {
            thread.submit(() -> {
                // Jackson looks for the class of a payload here, and this one is compiled in memory.
                Thread.currentThread().setContextClassLoader(Peer.class.getClassLoader());
                try {
                    answer(rq, carryOut(rq), null);
                } catch (Throwable e) {
                    answer(rq, null, e);
                }
            });
        }

        CuratorFramework client(JsonNode rq) throws Exception {
            String addr = rq.get("addr").asText();
            CuratorFramework c = clients.get(addr);
            if (c == null) {
                c = CuratorFrameworkFactory.newClient(addr, 10_000, 10_000, new RetryOneTime(100));
                c.start();
                c.blockUntilConnected();
                clients.put(addr, c);
            }
            return c;
        }

        interface Maker<T> {
            T make() throws Exception;
        }

        /** Returns the recipe of a kind at a path, which is made once. */
        @SuppressWarnings("unchecked")
        <T> T at(JsonNode rq, String kind, Maker<T> maker) throws Exception {
            String key = kind + " " + rq.get("addr").asText() + " " + rq.get("path").asText();
            Object o = objects.get(key);
            if (o == null) {
                o = maker.make();
                objects.put(key, o);
            }
            return (T) o;
        }

        void forget(JsonNode rq, String kind) {
            objects.remove(kind + " " + rq.get("addr").asText() + " " + rq.get("path").asText());
        }

        Object carryOut(JsonNode rq) throws Exception {
            String op = rq.get("op").asText();
            String family = op.substring(0, op.indexOf('.'));
            switch (family) {
                case "mutex":
                case "rw":
                case "semaphore":
                    return locks(op, rq);
                case "latch":
                case "selector":
                    return leaders(op, rq);
                case "barrier":
                case "double":
                    return barriers(op, rq);
                case "atomic":
                case "shared":
                    return counters(op, rq);
                case "simple":
                case "queue":
                case "priority":
                    return queues(op, rq);
                case "group":
                    return groups(op, rq);
                case "discovery":
                    return discovery(op, rq);
                default:
                    throw new IllegalArgumentException(op);
            }
        }

        Witness witness(JsonNode rq) throws Exception {
            return new Witness(client(rq), rq.get("witness").asText(), name);
        }

        Object locks(String op, JsonNode rq) throws Exception {
            CuratorFramework c = client(rq);
            String path = rq.get("path").asText();
            int rounds = rq.path("rounds").asInt();
            int limit = rq.path("limit").asInt();
            switch (op) {
                case "mutex.turns": {
                    Witness w = witness(rq);
                    InterProcessMutex lock = at(rq, "mutex", () -> new InterProcessMutex(c, path));
                    for (int i = 0; i < rounds; i++) {
                        lock.acquire();
                        try {
                            w.alone(sequence(lock.getParticipantNodes().iterator().next()));
                        } finally {
                            lock.release();
                        }
                    }
                    return null;
                }
                case "mutex.acquire":
                    return at(rq, "mutex", () -> new InterProcessMutex(c, path)).acquire(rq.get("ms").asLong(), TimeUnit.MILLISECONDS);
                case "mutex.release":
                    at(rq, "mutex", () -> new InterProcessMutex(c, path)).release();
                    return null;
                case "rw.turns": {
                    Witness w = witness(rq);
                    InterProcessReadWriteLock lock = at(rq, "rw", () -> new InterProcessReadWriteLock(c, path));
                    boolean write = rq.get("write").asBoolean();
                    InterProcessMutex side = write ? lock.writeLock() : lock.readLock();
                    for (int i = 0; i < rounds; i++) {
                        side.acquire();
                        try {
                            if (write) {
                                w.alone(-1);
                            } else {
                                w.shared(1000);
                            }
                        } finally {
                            side.release();
                        }
                    }
                    return null;
                }
                case "semaphore.turns": {
                    Witness w = witness(rq);
                    InterProcessSemaphoreV2 s = at(rq, "semaphore", () -> new InterProcessSemaphoreV2(c, path, limit));
                    for (int i = 0; i < rounds; i++) {
                        Lease lease = s.acquire();
                        try {
                            w.shared(limit);
                        } finally {
                            s.returnLease(lease);
                        }
                    }
                    return null;
                }
                default:
                    throw new IllegalArgumentException(op);
            }
        }

        static long sequence(String path) {
            return Long.parseLong(path.substring(path.length() - 10));
        }

        Object leaders(String op, JsonNode rq) throws Exception {
            CuratorFramework c = client(rq);
            String path = rq.get("path").asText();
            int rounds = rq.path("rounds").asInt();
            switch (op) {
                case "latch.turns": {
                    Witness w = witness(rq);
                    for (int i = 0; i < rounds; i++) {
                        try (LeaderLatch latch = new LeaderLatch(c, path, name)) {
                            latch.start();
                            latch.await();
                            w.alone(-1);
                        }
                    }
                    return null;
                }
                case "latch.start":
                    at(rq, "latch", () -> new LeaderLatch(c, path, name)).start();
                    return null;
                case "latch.await":
                    return at(rq, "latch", () -> new LeaderLatch(c, path, name)).await(rq.get("ms").asLong(), TimeUnit.MILLISECONDS);
                case "latch.participants": {
                    LeaderLatch latch = at(rq, "latch", () -> new LeaderLatch(c, path, name));
                    return participants(latch.getParticipants());
                }
                case "latch.close":
                    at(rq, "latch", () -> new LeaderLatch(c, path, name)).close();
                    forget(rq, "latch");
                    return null;
                case "selector.turns": {
                    Witness w = witness(rq);
                    LinkedBlockingQueue<Object> ends = new LinkedBlockingQueue<>();
                    LeaderSelector s = new LeaderSelector(c, path, new LeaderSelectorListenerAdapter() {
                        @Override
                        public void takeLeadership(CuratorFramework client) throws Exception {
                            try {
                                w.alone(-1);
                                ends.add("");
                            } catch (Exception e) {
                                ends.add(e);
                            }
                        }
                    });
                    s.setId(name);
                    s.start();
                    for (int i = 0; i < rounds; i++) {
                        if (i > 0) {
                            while (!s.requeue()) { // the turn before is not quite over
                                Thread.sleep(1);
                            }
                        }
                        Object end = ends.take();
                        if (end instanceof Exception) {
                            throw (Exception) end;
                        }
                    }
                    while (participants(s.getParticipants()).toString().contains(name)) { // closing would interrupt the last release
                        Thread.sleep(1);
                    }
                    s.close();
                    return null;
                }
                case "selector.participants": {
                    LeaderSelector s = new LeaderSelector(c, path, new LeaderSelectorListenerAdapter() {
                        @Override
                        public void takeLeadership(CuratorFramework client) {
                        }
                    });
                    return participants(s.getParticipants());
                }
                default:
                    throw new IllegalArgumentException(op);
            }
        }

        static List<String> participants(Iterable<Participant> list) {
            List<String> out = new ArrayList<>();
            for (Participant p : list) {
                out.add(p.getId() + (p.isLeader() ? "*" : ""));
            }
            return out;
        }

        Object barriers(String op, JsonNode rq) throws Exception {
            CuratorFramework c = client(rq);
            String path = rq.get("path").asText();
            long ms = rq.path("ms").asLong();
            int members = rq.path("members").asInt();
            switch (op) {
                case "barrier.set":
                    at(rq, "barrier", () -> new DistributedBarrier(c, path)).setBarrier();
                    return null;
                case "barrier.remove":
                    at(rq, "barrier", () -> new DistributedBarrier(c, path)).removeBarrier();
                    return null;
                case "barrier.wait":
                    return at(rq, "barrier", () -> new DistributedBarrier(c, path)).waitOnBarrier(ms, TimeUnit.MILLISECONDS);
                case "double.enter":
                    return at(rq, "double", () -> new DistributedDoubleBarrier(c, path, members)).enter(ms, TimeUnit.MILLISECONDS);
                case "double.leave":
                    return at(rq, "double", () -> new DistributedDoubleBarrier(c, path, members)).leave(ms, TimeUnit.MILLISECONDS);
                default:
                    throw new IllegalArgumentException(op);
            }
        }

        Object counters(String op, JsonNode rq) throws Exception {
            CuratorFramework c = client(rq);
            String path = rq.get("path").asText();
            int rounds = rq.path("rounds").asInt();
            int delta = rq.path("delta").asInt();
            switch (op) {
                case "atomic.add": { // rounds times
                    DistributedAtomicLong n = at(rq, "atomic", () -> new DistributedAtomicLong(c, path, new RetryOneTime(1)));
                    long last = 0;
                    for (int i = 0; i < rounds;) {
                        AtomicValue<Long> v = n.add((long) delta);
                        if (v.succeeded()) {
                            i++;
                            last = v.postValue();
                        }
                    }
                    return last;
                }
                case "atomic.get":
                    return at(rq, "atomic", () -> new DistributedAtomicLong(c, path, new RetryOneTime(1))).get().postValue();
                case "shared.add": {
                    SharedCount n = at(rq, "shared", () -> {
                        SharedCount fresh = new SharedCount(c, path, 0);
                        fresh.start();
                        return fresh;
                    });
                    for (int i = 0; i < rounds;) {
                        if (n.trySetCount(n.getVersionedValue(), n.getCount() + delta)) {
                            i++;
                        }
                    }
                    return n.getCount();
                }
                default:
                    throw new IllegalArgumentException(op);
            }
        }

        static final QueueSerializer<String> TEXT = new QueueSerializer<String>() {
            @Override
            public byte[] serialize(String s) {
                return s.getBytes(StandardCharsets.UTF_8);
            }

            @Override
            public String deserialize(byte[] b) {
                return new String(b, StandardCharsets.UTF_8);
            }
        };

        /** Keeps what a queue gives. */
        static class Basket implements QueueConsumer<String> {
            final LinkedBlockingQueue<String> items = new LinkedBlockingQueue<>();

            @Override
            public void consumeMessage(String s) {
                items.add(s);
            }

            @Override
            public void stateChanged(CuratorFramework client, ConnectionState state) {
            }
        }

        Object queues(String op, JsonNode rq) throws Exception {
            CuratorFramework c = client(rq);
            String path = rq.get("path").asText();
            String item = rq.path("item").asText();
            QueueBuilder<String> builder = QueueBuilder.builder(c, null, TEXT, path);
            switch (op) {
                case "simple.offer":
                    return at(rq, "simple", () -> new SimpleDistributedQueue(c, path)).offer(TEXT.serialize(item));
                case "simple.poll": {
                    byte[] b = at(rq, "simple", () -> new SimpleDistributedQueue(c, path)).poll(rq.get("ms").asLong(), TimeUnit.MILLISECONDS);
                    return b == null ? null : TEXT.deserialize(b);
                }
                case "queue.put": {
                    DistributedQueue<String> q = at(rq, "queue", () -> {
                        DistributedQueue<String> fresh = builder.buildQueue();
                        fresh.start();
                        return fresh;
                    });
                    q.put(item);
                    q.flushPuts(10, TimeUnit.SECONDS);
                    return null;
                }
                case "priority.put": {
                    DistributedPriorityQueue<String> q = at(rq, "priority", () -> {
                        DistributedPriorityQueue<String> fresh = builder.buildPriorityQueue(1);
                        fresh.start();
                        return fresh;
                    });
                    q.put(item, rq.get("priority").asInt());
                    q.flushPuts(10, TimeUnit.SECONDS);
                    return null;
                }
                case "queue.consume":
                case "priority.consume": { // so many items, in their order, or until none comes for a while
                    Basket basket = new Basket();
                    QueueBuilder<String> b = QueueBuilder.builder(c, basket, TEXT, path);
                    if (rq.hasNonNull("lock")) {
                        b = b.lockPath(rq.get("lock").asText());
                    }
                    DistributedQueue<String> plain = null;
                    DistributedPriorityQueue<String> priority = null;
                    if (op.equals("queue.consume")) {
                        plain = b.buildQueue();
                        plain.start();
                    } else {
                        priority = b.buildPriorityQueue(1);
                        priority.start();
                    }
                    List<String> out = new ArrayList<>();
                    for (int i = 0; i < rq.get("rounds").asInt(); i++) {
                        String s = basket.items.poll(rq.path("idle").asLong(20_000), TimeUnit.MILLISECONDS);
                        if (s == null) {
                            break;
                        }
                        out.add(s);
                    }
                    if (plain != null) {
                        plain.close();
                    } else {
                        priority.close();
                    }
                    return out;
                }
                default:
                    throw new IllegalArgumentException(op);
            }
        }

        Object groups(String op, JsonNode rq) throws Exception {
            CuratorFramework c = client(rq);
            String path = rq.get("path").asText();
            GroupMember m = at(rq, "group", () -> {
                GroupMember fresh = new GroupMember(c, path, name, textOf(rq));
                fresh.start();
                return fresh;
            });
            switch (op) {
                case "group.join":
                    return null;
                case "group.members": {
                    Map<String, String> out = new TreeMap<>();
                    for (Map.Entry<String, byte[]> e : m.getCurrentMembers().entrySet()) {
                        out.put(e.getKey(), TEXT.deserialize(e.getValue()));
                    }
                    return out;
                }
                case "group.leave":
                    m.close();
                    forget(rq, "group");
                    return null;
                default:
                    throw new IllegalArgumentException(op);
            }
        }

        static byte[] textOf(JsonNode rq) {
            return rq.path("data").asText().getBytes(StandardCharsets.UTF_8);
        }

        Object discovery(String op, JsonNode rq) throws Exception {
            CuratorFramework c = client(rq);
            String path = rq.get("path").asText();
            ServiceDiscovery<Payload> d = at(rq, "discovery", () -> {
                ServiceDiscovery<Payload> fresh = ServiceDiscoveryBuilder.builder(Payload.class).client(c).basePath(path).build();
                fresh.start();
                return fresh;
            });
            switch (op) {
                case "discovery.register": {
                    Payload p = new Payload();
                    p.role = rq.get("role").asText();
                    p.weight = rq.get("weight").asInt();
                    ServiceInstance<Payload> i = ServiceInstance.<Payload>builder().name(rq.get("service").asText())
                        .id(rq.get("key").asText()).address(rq.get("host").asText()).port(rq.get("port").asInt())
                        .payload(p).serviceType(ServiceType.DYNAMIC).uriSpec(new UriSpec("{scheme}://{address}:{port}/x")).build();
                    d.registerService(i);
                    objects.put("instance " + i.getId(), i);
                    return null;
                }
                case "discovery.unregister": {
                    @SuppressWarnings("unchecked")
                    ServiceInstance<Payload> i = (ServiceInstance<Payload>) objects.get("instance " + rq.get("key").asText());
                    d.unregisterService(i);
                    return null;
                }
                case "discovery.query": {
                    List<String> out = new ArrayList<>();
                    for (ServiceInstance<Payload> i : d.queryForInstances(rq.get("service").asText())) {
                        Payload p = i.getPayload();
                        out.add(String.join(" ", i.getName(), i.getId(), i.getAddress(), "" + i.getPort(), "" + i.getSslPort(),
                            "" + i.getServiceType(), p == null ? "-" : p.role + "/" + p.weight,
                            i.getUriSpec() == null ? "-" : i.buildUriSpec(), "" + i.isEnabled()));
                    }
                    return out;
                }
                case "discovery.names":
                    return new ArrayList<>(d.queryForNames());
                default:
                    throw new IllegalArgumentException(op);
            }
        }
    }
}
