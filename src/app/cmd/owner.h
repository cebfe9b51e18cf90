/* app/cmd/owner.h: who may write which keys, by the rules in force.
 *
 * Threads: those of the call.
 */
#ifndef STRATA_APP_CMD_OWNER_H
#define STRATA_APP_CMD_OWNER_H

#include "app/cmd/cmd.h"

static inline bool owner_is_asked(const struct cmd_env *env) {
    return __builtin_expect(atomic_load_explicit(&env->ownership, memory_order_relaxed) != CMD_OWNERSHIP_OFF, 0);
}

/* Whether the client may change all keys that the command may change. False: `ret_text` says why, behind "NOTOWNER". */
enum { OWNER_TEXT_MAX = 400 };
bool owner_agrees(struct cmd_call *call, const struct cmd_spec *spec, char ret_text[OWNER_TEXT_MAX]);

#endif
