/* base/status.h: what a fallible call answers.
 *
 * One list for the whole program. A function that can fail returns `enum status` and is
 * marked MUST_CHECK; its results come last, are named `ret_...`, and stay untouched on
 * failure. A miss is an answer, not a failure: there is no STATUS_NOT_FOUND here.
 *
 * Threads: no state.
 */
#ifndef STRATA_BASE_STATUS_H
#define STRATA_BASE_STATUS_H

#define MUST_CHECK __attribute__((warn_unused_result))

enum status {
    STATUS_OK = 0,
    STATUS_NO_MEMORY, /* an allocation failed */
    STATUS_FULL,      /* the cache's memory limit is reached and nothing may be evicted */
    STATUS_TOO_LARGE, /* over a stated maximum */
    STATUS_INVALID,   /* an argument or input that breaks the rules */
    STATUS_CORRUPT,   /* bytes from disk or network fail their check */
    STATUS_IO,        /* the kernel refused; errno says why */
    STATUS_CLOSED,    /* the other side is gone */
    STATUS_AGAIN,     /* nothing to do now, call again later */
    STATUS_BUSY,      /* somebody else holds it */
    STATUS_COUNT
};

/* A short English text for logs; never NULL. */
const char *status_text(enum status status);

/* Passes a failure up. The only control-flow macro of the project. */
#define TRY(call)                         \
    do {                                  \
        enum status try_status_ = (call); \
        if (try_status_ != STATUS_OK)     \
            return try_status_;           \
    } while (0)

#endif
