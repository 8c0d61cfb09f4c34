#include "record.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIMIT_MS = 30000, MAX_EVENTS = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    int type, state;
    char path[256];
} events[MAX_EVENTS];
static int event_count;

static void die(const char *what) {
    fprintf(stderr, "scenario: %s\n", what);
    exit(1);
}

static void print_string(const char *s, int len) {
    putchar('"');
    for (int i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '"' || c == '\\') {
            printf("\\%c", c);
        } else if (c < 0x20) {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

static void begin(const char *step, int rc) {
    printf("{\"step\":");
    print_string(step, (int)strlen(step));
    printf(",\"result\":{\"rc\":%d", rc);
}

static void print_stat(const struct Stat *s) {
    printf(",\"stat\":{\"czxid\":%lld,\"mzxid\":%lld,\"ctime\":%lld,\"mtime\":%lld,\"version\":%d,\"cversion\":%d,"
           "\"aversion\":%d,\"ephemeralOwner\":%lld,\"dataLength\":%d,\"numChildren\":%d,\"pzxid\":%lld}",
           (long long)s->czxid, (long long)s->mzxid, (long long)s->ctime, (long long)s->mtime, s->version, s->cversion,
           s->aversion, (long long)s->ephemeralOwner, s->dataLength, s->numChildren, (long long)s->pzxid);
}

static void finish(int rc, const struct Stat *stat) {
    if (rc == ZOK && stat != NULL) {
        print_stat(stat);
    }
    printf("}}\n");
    fflush(stdout);
}

void emit_rc(const char *step, int rc) { emit(step, rc, NULL, NULL); }

void emit(const char *step, int rc, const char *text, const struct Stat *stat) {
    begin(step, rc);
    if (rc == ZOK && text != NULL) {
        printf(",\"text\":");
        print_string(text, (int)strlen(text));
    }
    finish(rc, stat);
}

void emit_data(const char *step, int rc, const char *data, int len, const struct Stat *stat) {
    begin(step, rc);
    if (rc == ZOK && len < 0) {
        printf(",\"data\":null");
    } else if (rc == ZOK) {
        printf(",\"data\":");
        print_string(data, len);
    }
    finish(rc, stat);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

void emit_names(const char *step, int rc, struct String_vector *names, const struct Stat *stat) {
    begin(step, rc);
    if (rc == ZOK) {
        qsort(names->data, (size_t)names->count, sizeof names->data[0], by_name);
        printf(",\"names\":[");
        for (int i = 0; i < names->count; i++) {
            printf(i > 0 ? "," : "");
            print_string(names->data[i], (int)strlen(names->data[i]));
        }
        printf("]");
    }
    finish(rc, stat);
    if (rc == ZOK) {
        deallocate_String_vector(names);
    }
}

void emit_acl(const char *step, int rc, const struct ACL_vector *acl, const struct Stat *stat) {
    begin(step, rc);
    for (int i = 0; rc == ZOK && i < acl->count; i++) {
        const struct ACL *a = &acl->data[i];
        printf(",\"acl%d\":\"%d %s %s\"", i, a->perms, a->id.scheme, a->id.id);
    }
    finish(rc, stat);
}

void emit_multi(const char *step, int rc, const zoo_op_result_t *results, int count) {
    begin(step, rc);
    printf(",\"results\":[");
    for (int i = 0; i < count; i++) {
        printf("%s{\"err\":%d", i > 0 ? "," : "", results[i].err);
        if (results[i].err == ZOK && results[i].value != NULL && results[i].valuelen > 0) {
            printf(",\"value\":");
            print_string(results[i].value, (int)strlen(results[i].value));
        }
        if (results[i].err == ZOK && results[i].stat != NULL) {
            print_stat(results[i].stat);
        }
        printf("}");
    }
    printf("]}}\n");
    fflush(stdout);
}

void control(const char *what) {
    char line[16];
    printf("{\"control\":\"%s\"}\n", what);
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL || strcmp(line, "done\n") != 0) {
        die("the test does not answer");
    }
}

void on_event(zhandle_t *zh, int type, int state, const char *path, void *context) {
    (void)zh;
    (void)context;
    if (type == ZOO_SESSION_EVENT) {
        return;
    }
    pthread_mutex_lock(&lock);
    if (event_count < MAX_EVENTS) {
        events[event_count].type = type;
        events[event_count].state = state;
        snprintf(events[event_count].path, sizeof events[0].path, "%s", path);
        event_count++;
    }
    pthread_mutex_unlock(&lock);
}

static int counted(void) {
    pthread_mutex_lock(&lock);
    int n = event_count;
    pthread_mutex_unlock(&lock);
    return n;
}

void emit_events(const char *step, int count) {
    for (int waited = 0; counted() < count; waited += 10) {
        if (waited > LIMIT_MS) {
            die(step);
        }
        usleep(10 * 1000);
    }
    begin(step, 0);
    printf(",\"events\":[");
    pthread_mutex_lock(&lock);
    for (int i = 0; i < event_count; i++) {
        printf("%s\"%d %d %s\"", i > 0 ? "," : "", events[i].type, events[i].state, events[i].path);
    }
    event_count = 0;
    pthread_mutex_unlock(&lock);
    printf("]}}\n");
    fflush(stdout);
}

void await_state(zhandle_t *zh, int state) {
    for (int waited = 0; zoo_state(zh) != state; waited += 10) {
        if (waited > LIMIT_MS) {
            die("the session state does not come");
        }
        usleep(10 * 1000);
    }
}

zhandle_t *open_session(const char *hosts, int timeout_ms, const clientid_t *id) {
    zhandle_t *zh = zookeeper_init(hosts, on_event, timeout_ms, id, NULL, 0);
    if (zh == NULL) {
        die("zookeeper_init");
    }
    return zh;
}
