/* app/bench/answers.h: what a load generator wants to know of replies, in either protocol.
 *
 * Threads: one owner at a time.
 * Memory:  allocates nothing; payloads point into the input of that call.
 * Errors:  ANSWERS_BROKEN: the stream cannot be used any more; answers_error says why.
 */
#ifndef STRATA_APP_BENCH_ANSWERS_H
#define STRATA_APP_BENCH_ANSWERS_H

#include "app/bench/memcached_reply.h"
#include "app/bench/requests.h"
#include "core/proto/resp_reply.h"

enum answer_kind { ANSWER_OTHER, ANSWER_VALUE, ANSWER_MISS, ANSWER_REFUSED };

struct answer {
    enum answer_kind kind;
    struct slice payload; /* of a value, or the text of an error; data is NULL if part was dropped */
    size_t size;          /* bytes of the input it took */
};

enum answers_result { ANSWERS_DONE, ANSWERS_MORE, ANSWERS_BROKEN };

struct answers {
    enum requests_protocol protocol;
    union {
        struct resp_reply_scanner resp;
        struct memcached_scanner memcached;
    };
};

void answers_init(struct answers *answers, enum requests_protocol protocol);

/* As resp_reply_skip: at most one answer a call. */
enum answers_result answers_next(struct answers *answers, struct slice input, struct answer *ret_answer);

/* Drops what was understood of an unfinished answer; answers how many bytes leave the front of the input. */
size_t answers_drop(struct answers *answers);

const char *answers_error(const struct answers *answers);

#endif
