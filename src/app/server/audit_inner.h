/* app/server/audit_inner.h: what audit.c and audit_events.c share.
 *
 * Threads: what is behind `lock` is so marked.
 */
#ifndef STRATA_APP_SERVER_AUDIT_INNER_H
#define STRATA_APP_SERVER_AUDIT_INNER_H

#include <pthread.h>

#include "app/server/audit.h"
#include "app/server/state.h"
#include "core/audit/record.h"
#include "sys/audit/audit_key.h"
#include "sys/audit/audit_log.h"

/* Who is nobody may knock a million times a second: more lines than so many a second are counted, or he would fill the disk, or push out what others
 * have done. */
enum { AUDIT_STRANGERS_PER_S = 100, AUDIT_STRANGER_BITS = 24 };

enum { AUDIT_COMMANDS_MAX = 1024, AUDIT_NODE_SIZE = 16, AUDIT_WORDS_MAX = 64 };

struct server_audit {
    struct audit_key key;
    struct directory directory;
    struct audit_log *log;
    struct thread thread;
    bool runs;
    char node[AUDIT_NODE_SIZE + 1];

    /* Of who has not said who he is: the second of the steady clock, and in the low AUDIT_STRANGER_BITS how many lines there were in it; and how
     * many were left out since that was last said. */
    _Atomic uint64_t strangers, left_out;
    uint64_t told_ms; /* by the first worker */

    _Atomic uint32_t classes; /* a bit for each that is on */
    _Atomic uint32_t keys;    /* enum audit_keys */
    atomic_bool waits, refuses_failed;
    atomic_bool holds, fails;

    pthread_mutex_t hold_lock; /* of changes of the two above; comes after the log's own */
    bool full;                 /* under hold_lock */

    pthread_mutex_t lock;
    /* under lock */
    char users[1024], users_except[1024];
    uint64_t commands[AUDIT_COMMANDS_MAX / 64]; /* by index: what is noted of the classes */
};

static inline bool audit_is_on(const struct server_audit *audit, enum audit_class class) {
    return atomic_load_explicit(&audit->classes, memory_order_relaxed) >> class & 1;
}

/* Whether the filters let it through; `spec` NULL: it is no command. */
bool audit_passes(struct server_audit *audit, const struct cmd_spec *spec, struct slice user);

/* A line for those that were left out, if there were any. */
void audit_tell_left_out(struct server_audit *audit);

/* Queues a body. `must`: it has happened. */
void audit_put(struct server_audit *audit, struct slice body);

#endif
