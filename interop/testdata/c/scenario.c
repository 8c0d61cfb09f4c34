/*
 * The C client scenario: prints one JSON line per step; argument: host:port.
 * With "orphan" as first argument it makes an ephemeral node in a short session and dies without closing it.
 */
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *hosts;

static struct ACL_vector acl_of(struct ACL *a, int perms, char *scheme, char *id) {
    a->perms = perms;
    a->id.scheme = scheme;
    a->id.id = id;
    struct ACL_vector v = {1, a};
    return v;
}

static void make(zhandle_t *zh, const char *step, const char *path, const char *data, int len, int mode, int64_t ttl) {
    char name[256] = "";
    struct Stat stat;
    int rc = zoo_create2_ttl(zh, path, data, len, &ZOO_OPEN_ACL_UNSAFE, mode, ttl, name, sizeof name, &stat);
    emit(step, rc, name, &stat);
}

static void get(zhandle_t *zh, const char *step, const char *path, int watch) {
    static char data[4096];
    int len = sizeof data;
    struct Stat stat;
    int rc = zoo_get(zh, path, watch, data, &len, &stat);
    emit_data(step, rc, data, len, &stat);
}

static void set(zhandle_t *zh, const char *step, const char *path, const char *data, int version) {
    struct Stat stat;
    int rc = zoo_set2(zh, path, data, data == NULL ? -1 : (int)strlen(data), version, &stat);
    emit(step, rc, NULL, &stat);
}

static void exists(zhandle_t *zh, const char *step, const char *path, int watch) {
    struct Stat stat;
    int rc = zoo_exists(zh, path, watch, &stat);
    emit(step, rc, NULL, &stat);
}

static void children(zhandle_t *zh, const char *step, const char *path, int watch) {
    struct String_vector names = {0, NULL};
    struct Stat stat;
    int rc = zoo_get_children2(zh, path, watch, &names, &stat);
    emit_names(step, rc, &names, &stat);
}

static void nodes(zhandle_t *zh) {
    char name[256] = "";
    make(zh, "create", "/c", "data", 4, ZOO_PERSISTENT, -1);
    make(zh, "create again", "/c", "data", 4, ZOO_PERSISTENT, -1);
    make(zh, "create without parent", "/no/parent", "", 0, ZOO_PERSISTENT, -1);
    make(zh, "create null", "/c/null", NULL, -1, ZOO_PERSISTENT, -1);
    make(zh, "create empty", "/c/empty", "", 0, ZOO_PERSISTENT, -1);
    make(zh, "create ephemeral", "/c/e", "e", 1, ZOO_EPHEMERAL, -1);
    make(zh, "create below ephemeral", "/c/e/x", "e", 1, ZOO_PERSISTENT, -1);
    make(zh, "create sequential 0", "/c/s-", "s", 1, ZOO_PERSISTENT_SEQUENTIAL, -1);
    make(zh, "create sequential 1", "/c/s-", "s", 1, ZOO_PERSISTENT_SEQUENTIAL, -1);
    make(zh, "create ephemeral sequential", "/c/es-", "es", 2, ZOO_EPHEMERAL_SEQUENTIAL, -1);
    make(zh, "create container", "/c/container", "c", 1, ZOO_CONTAINER, -1);
    make(zh, "create ttl", "/c/ttl", "t", 1, ZOO_PERSISTENT_WITH_TTL, 1000000);
    make(zh, "create sequential ttl", "/c/ttl-", "t", 1, ZOO_PERSISTENT_SEQUENTIAL_WITH_TTL, 1000000);
    make(zh, "create bad ttl", "/c/badttl", "t", 1, ZOO_PERSISTENT_WITH_TTL, 0);
    emit("create without stat", zoo_create(zh, "/c/plain", "p", 1, &ZOO_OPEN_ACL_UNSAFE, 0, name, sizeof name), name, NULL);
    get(zh, "get", "/c", 0);
    get(zh, "get null", "/c/null", 0);
    get(zh, "get empty", "/c/empty", 0);
    get(zh, "get container", "/c/container", 0);
    get(zh, "get ttl", "/c/ttl", 0);
    get(zh, "get missing", "/missing", 0);
    exists(zh, "exists", "/c", 0);
    exists(zh, "exists missing", "/missing", 0);
    set(zh, "set", "/c", "v1", -1);
    set(zh, "set version", "/c", "v2", 1);
    set(zh, "set bad version", "/c", "v3", 1);
    set(zh, "set null", "/c/empty", NULL, -1);
    get(zh, "get set null", "/c/empty", 0);
    children(zh, "children", "/c", 0);
    children(zh, "children missing", "/missing", 0);
    emit_rc("delete not empty", zoo_delete(zh, "/c", -1));
    emit_rc("delete bad version", zoo_delete(zh, "/c/plain", 3));
    emit_rc("delete", zoo_delete(zh, "/c/plain", 0));
    emit_rc("delete missing", zoo_delete(zh, "/c/plain", 0));
    struct String_vector list = {0, NULL};
    int rc = zoo_get_children(zh, "/", 0, &list);
    emit_names("root", rc, &list, NULL);
    static char config[4096];
    int len = sizeof config;
    struct Stat stat;
    rc = zoo_getconfig(zh, 0, config, &len, &stat);
    emit_data("config", rc, config, len, &stat);
    len = sizeof config;
    rc = zoo_reconfig(zh, "server.9=127.0.0.1:1:2;3", NULL, NULL, -1, config, &len, &stat);
    emit_rc("reconfig", rc);
}

static volatile int synced, sync_rc;

static void on_sync(int rc, const char *value, const void *data) {
    sync_rc = rc;
    fprintf(stderr, "sync of %s %p\n", value, data);
    synced = 1;
}

static void syncs(zhandle_t *zh) {
    zoo_async(zh, "/c", on_sync, NULL);
    for (int i = 0; !synced && i < 1000; i++) {
        usleep(10 * 1000);
    }
    emit_rc("sync", synced ? sync_rc : -9999);
}

static void watches(zhandle_t *zh, zhandle_t *other) {
    char name[256];
    zoo_create(other, "/w", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, name, sizeof name);
    exists(zh, "watch exists", "/w", 1);
    exists(zh, "watch exists missing", "/w/new", 1);
    get(zh, "watch get", "/w", 1);
    children(zh, "watch children", "/w", 1);
    zoo_create(other, "/w/new", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, name, sizeof name);
    emit_events("watch create", 2);
    zoo_set(other, "/w", "1", 1, -1);
    emit_events("watch set", 1);
    get(zh, "watch get new", "/w/new", 1);
    children(zh, "watch children new", "/w/new", 1);
    children(zh, "watch children again", "/w", 1);
    zoo_delete(other, "/w/new", -1);
    emit_events("watch delete", 2);
    get(zh, "watch get to remove", "/w", 1);
    emit_rc("remove watch", zoo_remove_watches(zh, "/w", ZWATCHTYPE_DATA, on_event, NULL, 0));
    emit_rc("remove watch again", zoo_remove_watches(zh, "/w", ZWATCHTYPE_DATA, on_event, NULL, 0));
    zoo_set(other, "/w", "2", 1, -1);
    get(zh, "no event for a removed watch", "/w", 0);
    emit_events("no event", 0);
}

static volatile int authed, auth_rc;

static void on_auth(int rc, const void *data) {
    (void)data;
    auth_rc = rc;
    authed = 1;
}

static void add_auth(zhandle_t *zh, const char *step, const char *cert) {
    authed = 0;
    zoo_add_auth(zh, "digest", cert, (int)strlen(cert), on_auth, NULL);
    for (int i = 0; !authed && i < 1000; i++) {
        usleep(10 * 1000);
    }
    emit_rc(step, authed ? auth_rc : -9999);
}

static void create_with(zhandle_t *zh, const char *step, const char *path, int perms, char *scheme, char *id) {
    struct ACL a;
    struct ACL_vector v = acl_of(&a, perms, scheme, id);
    char name[256] = "";
    emit(step, zoo_create(zh, path, "s", 1, &v, 0, name, sizeof name), name, NULL);
}

static void get_acl(zhandle_t *zh, const char *step, const char *path) {
    struct ACL_vector v = {0, NULL};
    struct Stat stat;
    emit_acl(step, zoo_get_acl(zh, path, &v, &stat), &v, &stat);
}

static void acls(zhandle_t *zh) {
    zhandle_t *alice = open_session(hosts, 10000, NULL);
    await_state(alice, ZOO_CONNECTED_STATE);
    add_auth(alice, "auth", "alice:secret");
    create_with(alice, "acl auth", "/a", ZOO_PERM_ALL, "auth", "");
    get_acl(alice, "acl expanded", "/a");
    get(zh, "acl denied get", "/a", 0);
    set(zh, "acl denied set", "/a", "x", -1);
    children(zh, "acl denied children", "/a", 0);
    exists(zh, "acl denied exists", "/a", 0);
    get_acl(zh, "acl denied get_acl", "/a");
    create_with(zh, "acl denied create", "/a/x", ZOO_PERM_ALL, "world", "anyone");
    emit_rc("acl denied set_acl", zoo_set_acl(zh, "/a", -1, &ZOO_OPEN_ACL_UNSAFE));
    get(alice, "acl allowed get", "/a", 0);
    create_with(zh, "acl auth of nobody", "/nobody", ZOO_PERM_ALL, "auth", "");
    create_with(zh, "acl bad scheme", "/bad", ZOO_PERM_ALL, "nosuch", "x");
    create_with(zh, "acl bad digest", "/bad", ZOO_PERM_ALL, "digest", "x");
    create_with(zh, "acl ip", "/ip", ZOO_PERM_ALL, "ip", "127.0.0.1");
    set(zh, "acl ip allows", "/ip", "1", -1);
    create_with(zh, "acl other ip", "/ip2", ZOO_PERM_ALL, "ip", "10.0.0.0/8");
    set(zh, "acl other ip denies", "/ip2", "1", -1);
    create_with(zh, "acl read only", "/ro", ZOO_PERM_READ, "world", "anyone");
    set(zh, "acl read only set", "/ro", "1", -1);
    get(zh, "acl read only get", "/ro", 0);
    struct ACL a;
    struct ACL_vector v = acl_of(&a, ZOO_PERM_READ | ZOO_PERM_ADMIN, "world", "anyone");
    emit_rc("set_acl bad version", zoo_set_acl(alice, "/a", 5, &v));
    emit_rc("set_acl", zoo_set_acl(alice, "/a", 0, &v));
    get_acl(zh, "acl after set_acl", "/a");
    zookeeper_close(alice);
}

static void multis(zhandle_t *zh) {
    char name1[256] = "", name2[256] = "";
    struct Stat stat;
    zoo_op_t ops[5];
    zoo_op_result_t results[5];
    memset(results, 0, sizeof results);
    zoo_create_op_init(&ops[0], "/m", "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, name1, sizeof name1);
    zoo_create_op_init(&ops[1], "/m/s-", "1", 1, &ZOO_OPEN_ACL_UNSAFE, ZOO_PERSISTENT_SEQUENTIAL, name2, sizeof name2);
    zoo_set_op_init(&ops[2], "/m", "2", 1, 0, &stat);
    zoo_check_op_init(&ops[3], "/m", 1);
    zoo_delete_op_init(&ops[4], "/m/s-0000000000", -1);
    emit_multi("multi", zoo_multi(zh, 5, ops, results), results, 5);
    memset(results, 0, sizeof results);
    zoo_set_op_init(&ops[0], "/m", "never", 5, -1, &stat);
    zoo_check_op_init(&ops[1], "/m", 7);
    zoo_delete_op_init(&ops[2], "/m", -1);
    emit_multi("multi failed", zoo_multi(zh, 3, ops, results), results, 3);
    get(zh, "after multi", "/m", 0);
}

static void restarts(zhandle_t *zh) {
    int64_t session = zoo_client_id(zh)->client_id;
    make(zh, "live", "/live", "", 0, ZOO_EPHEMERAL, -1);
    for (int i = 0; i < 2; i++) {
        get(zh, "live watch", "/live", 1);
        control(i == 0 ? "restart" : "kill");
        struct Stat stat;
        int rc = ZCONNECTIONLOSS;
        for (int tries = 0; (rc == ZCONNECTIONLOSS || rc == ZOPERATIONTIMEOUT || rc == ZINVALIDSTATE) && tries < 300; tries++) {
            usleep(50 * 1000);
            rc = zoo_exists(zh, "/live", 0, &stat);
        }
        await_state(zh, ZOO_CONNECTED_STATE);
        emit("live after restart", rc, NULL, &stat);
        emit_rc("same session", zoo_client_id(zh)->client_id == session);
        set(zh, "write after restart", "/live", "again", -1);
        emit_events("watch survives the restart", 1);
    }
}

static void run_orphan(const char *self, clientid_t *id) {
    int fds[2];
    if (pipe(fds) != 0) {
        exit(1);
    }
    pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], 1);
        execl(self, self, "orphan", hosts, (char *)NULL);
        _exit(1);
    }
    close(fds[1]);
    if (read(fds[0], id, sizeof *id) != (ssize_t)sizeof *id) {
        exit(1);
    }
    waitpid(child, NULL, 0);
    close(fds[0]);
}

static int orphan(void) {
    char name[256];
    zhandle_t *zh = open_session(hosts, 1000, NULL);
    await_state(zh, ZOO_CONNECTED_STATE);
    int rc = zoo_create(zh, "/orphan", "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, name, sizeof name);
    if (rc != ZOK || write(1, zoo_client_id(zh), sizeof(clientid_t)) < 0) {
        _exit(1);
    }
    _exit(0);
}

static void expiry(zhandle_t *zh, const char *self) {
    clientid_t id;
    exists(zh, "orphan not there", "/orphan", 1);
    run_orphan(self, &id);
    emit_events("orphan created", 1);
    exists(zh, "orphan", "/orphan", 1);
    emit_events("orphan expired", 1);
    exists(zh, "orphan gone", "/orphan", 0);
    zhandle_t *late = open_session(hosts, 10000, &id);
    await_state(late, ZOO_EXPIRED_SESSION_STATE);
    emit_rc("expired session is told so", zoo_state(late));
    zookeeper_close(late);
}

/* The container and the short TTL node below /c go by themselves once they are empty. */
static void scans(zhandle_t *zh) {
    make(zh, "child of container", "/c/container/x", "", 0, ZOO_PERSISTENT, -1);
    make(zh, "short ttl", "/c/short", "", 0, ZOO_PERSISTENT_WITH_TTL, 100);
    exists(zh, "watch short ttl", "/c/short", 1);
    emit_events("short ttl gone", 1);
    exists(zh, "watch container", "/c/container", 1);
    emit_rc("empty the container", zoo_delete(zh, "/c/container/x", -1));
    emit_events("container gone", 1);
}

int main(int argc, char **argv) {
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    hosts = argv[argc - 1];
    if (argc == 3 && strcmp(argv[1], "orphan") == 0) {
        return orphan();
    }
    zhandle_t *zh = open_session(hosts, 10000, NULL), *other = open_session(hosts, 10000, NULL);
    await_state(zh, ZOO_CONNECTED_STATE);
    await_state(other, ZOO_CONNECTED_STATE);
    emit_rc("negotiated timeout", zoo_recv_timeout(zh));
    nodes(zh);
    syncs(zh);
    watches(zh, other);
    acls(zh);
    multis(zh);
    restarts(zh);
    expiry(zh, argv[0]);
    scans(zh);
    emit_rc("close", zookeeper_close(other));
    emit_rc("close", zookeeper_close(zh));
    return 0;
}
