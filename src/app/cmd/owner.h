/* app/cmd/owner.h: who may do what with which keys, by the rules in force.
 *
 * Owners write, borrowers read; what either setting says becomes of others is the setting `ownership`. A class whose writes are leased, or that
 * the server does not hold, refuses values whatever that says: these rules are about data, not about who one is.
 *
 * Threads: those of the call.
 */
#ifndef STRATA_APP_CMD_OWNER_H
#define STRATA_APP_CMD_OWNER_H

#include "app/cmd/cmd.h"

struct rules_class;

enum { OWNER_TEXT_MAX = 480 };

enum owner_why {
    OWNER_NOT_OWNER,
    OWNER_NOT_BORROWER,
    OWNER_NOT_LEASED,
    OWNER_NOT_SERVED,
    OWNER_UNKNOWN_SERVICE,
    OWNER_UNKNOWN_EVENT
};

struct owner_refusal {
    enum owner_why why;
    const char *code; /* of the error: "NOTOWNER" */
    const struct rules_class *class;
    char text[OWNER_TEXT_MAX]; /* what stands behind it */
};

static inline bool owner_is_asked(const struct cmd_env *env) {
    return __builtin_expect(atomic_load_explicit(&env->asked, memory_order_relaxed) != 0, 0);
}

/* Whether the client may run the command on all of its keys. Asked when it is queued in MULTI, and again in EXEC, by the rules in force then. */
bool owner_agrees(struct cmd_call *call, const struct cmd_spec *spec, struct owner_refusal *ret_refusal);

/* A command has found no memory: if it was for a quota, that is the reply. */
bool owner_explains_full(struct cmd_call *call);

#endif
