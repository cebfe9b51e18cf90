/* app/cmd/cause.h: what a change was caused by, beside the command and the client that made it.
 *
 * A plain write is caused by nothing but its command. What an invalidation or an event takes with it, and what follows from a write by the rules, has a
 * *trigger* with a name, and a *path* of edges from there:
 *
 *     key user:7 -> key profile:7 (line 12) -> tag ~feed:7:* (line 20)
 *
 * Threads: plain data.
 * Memory:  all slices are borrowed; who hands them out says for how long.
 */
#ifndef STRATA_APP_CMD_CAUSE_H
#define STRATA_APP_CMD_CAUSE_H

#include "core/rules/plan.h"

enum cause_trigger {
    CAUSE_NONE,  /* the command alone, or time, or want of memory */
    CAUSE_WRITE, /* of another key; the name is that key's */
    CAUSE_KEY,   /* these are invalidations, of what the name says */
    CAUSE_TAG,
    CAUSE_CLASS,
    CAUSE_PATTERN,
    CAUSE_EXPRESSION, /* a regular one */
    CAUSE_EVENT,
    CAUSE_TRIGGERS
};

struct cause {
    enum cause_trigger trigger;
    bool soft;           /* what it makes go may still be shown to who asks for it */
    uint32_t line;       /* of the manifest: the last edge of the path; 0: there is none */
    struct slice name;   /* of the trigger */
    struct slice class;  /* the pattern of the class whose edge that is; empty for events and without edges */
    struct slice path;   /* for people, as above; empty without edges */
    struct slice reason; /* as the client gave it */
};

/* "tag", "event"; "command" for none. */
const char *cause_trigger_word(enum cause_trigger trigger);

enum { CAUSE_REASON_MAX = 255 };

#endif
