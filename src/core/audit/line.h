/* core/audit/line.h: a line of an audit log, taken apart.
 *
 *     {"seq":17,"time":"...","kind":"event", ... ,"prev":"64 digits","hash":"64 digits"}
 *     '-------------------- covered -----------------------------'
 *
 * Only what the chain needs is looked at strictly; the rest is what `hash` covers.
 *
 * Threads: no state.
 * Memory:  what is found points into the line.
 */
#ifndef STRATA_CORE_AUDIT_LINE_H
#define STRATA_CORE_AUDIT_LINE_H

#include "base/slice.h"

enum {
    AUDIT_HASH_SIZE = 64, /* digits */
    AUDIT_LINE_SIZE_MAX = 64 * 1024,
};

struct audit_line {
    uint64_t seq;
    struct slice kind;
    struct slice prev, hash; /* AUDIT_HASH_SIZE digits each */
    struct slice covered;    /* what the hash is of */
};

/* Without its line end. False: it is none. */
bool audit_line_read(struct slice bytes, struct audit_line *ret_line);

/* The value of a field as it stands there: of a text what is between the quotes, with its escapes; of an array or object all of it. False: there is no such field. */
bool audit_line_field(struct slice line, const char *name, struct slice *ret_value);
/* The same of a number. */
bool audit_line_number(struct slice line, const char *name, uint64_t *ret_value);

/* Calls for each element of an array of texts. */
void audit_line_each(struct slice array, void (*visit)(void *context, struct slice text), void *context);

#endif
