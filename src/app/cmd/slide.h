/* app/cmd/slide.h: reads that begin a TTL anew, in classes whose TTL slides.
 *
 * A read that finds less than seven eighths of the class's default TTL left gives the entry all of it. So a key that is read all the time is
 * written to eight times in its TTL, and lives at least seven eighths of it after its last read. Nobody is told: neither value nor
 * readers are concerned.
 *
 * Threads: those of the call; after the command, which holds no locks unless it is one of EXEC.
 * Time:    a match for each key read while some class slides, and an edit where the time has come.
 * Errors:  without memory the entry keeps what it has.
 */
#ifndef STRATA_APP_CMD_SLIDE_H
#define STRATA_APP_CMD_SLIDE_H

#include "app/cmd/cmd.h"

enum { SLIDE_SHARE = 8 };

static inline bool slide_is_asked(const struct cmd_env *env) {
    return __builtin_expect((atomic_load_explicit(&env->asked, memory_order_relaxed) & CMD_ASK_SLIDES) != 0, 0);
}

void slide_read(struct cmd_call *call);

#endif
