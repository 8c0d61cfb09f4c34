/* Printing of steps as JSON lines, and collecting of watch events, for the C client scenario. */
#ifndef RECORD_H
#define RECORD_H

#include <zookeeper/zookeeper.h>

/* A step with its return code alone. */
void emit_rc(const char *step, int rc);
/* A step with a return code and, when that is ZOK, a text and a stat; either may be NULL. */
void emit(const char *step, int rc, const char *text, const struct Stat *stat);
/* A step with a data buffer of len bytes (-1: null). */
void emit_data(const char *step, int rc, const char *data, int len, const struct Stat *stat);
/* A step with a list of names, sorted here. */
void emit_names(const char *step, int rc, struct String_vector *names, const struct Stat *stat);
void emit_acl(const char *step, int rc, const struct ACL_vector *acl, const struct Stat *stat);
void emit_multi(const char *step, int rc, const zoo_op_result_t *results, int count);

/* Asks the test to "restart" or "kill" the server and waits until it serves again. */
void control(const char *what);

/* The watcher to hand to the client; session events only change the state. */
void on_event(zhandle_t *zh, int type, int state, const char *path, void *context);
/* Waits for count events and emits them in their order. */
void emit_events(const char *step, int count);
/* Waits until the session state of zh is state; ends the program when it does not come. */
void await_state(zhandle_t *zh, int state);
/* Opens a session and waits until it is connected. */
zhandle_t *open_session(const char *hosts, int timeout_ms, const clientid_t *id);

#endif
