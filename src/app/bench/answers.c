#include "app/bench/answers.h"

void answers_init(struct answers *answers, enum requests_protocol protocol) {
    static const struct resp_reply_limits limits = {.bulk_size_max = 1ull << 40, .members_max = INT32_MAX};
    *answers = (struct answers){.protocol = protocol};
    if (protocol == REQUESTS_RESP)
        resp_reply_scanner_init(&answers->resp, &limits);
}

static enum answer_kind kind_of_resp(enum resp_type type) {
    switch (type) {
        case RESP_BULK:
            return ANSWER_VALUE;
        case RESP_NULL:
            return ANSWER_MISS;
        case RESP_SIMPLE_ERROR:
        case RESP_BULK_ERROR:
            return ANSWER_REFUSED;
        default:
            return ANSWER_OTHER;
    }
}

static enum answers_result next_resp(struct answers *answers, struct slice input, struct answer *ret_answer) {
    struct resp_reply_item item;
    enum resp_reply_result result = resp_reply_skip(&answers->resp, input, &item);
    if (result == RESP_REPLY_DONE) {
        *ret_answer = (struct answer){kind_of_resp(item.type), item.payload, item.size};
        return ANSWERS_DONE;
    }
    return result == RESP_REPLY_MORE ? ANSWERS_MORE : ANSWERS_BROKEN;
}

static enum answers_result next_memcached(struct answers *answers, struct slice input, struct answer *ret_answer) {
    static const enum answer_kind kinds[] = {ANSWER_VALUE, ANSWER_MISS, ANSWER_OTHER, ANSWER_REFUSED};
    struct memcached_reply reply;
    enum memcached_reply_result result = memcached_reply_skip(&answers->memcached, input, &reply);
    if (result == MEMCACHED_REPLY_DONE) {
        *ret_answer = (struct answer){kinds[reply.kind], reply.payload, reply.size};
        return ANSWERS_DONE;
    }
    return result == MEMCACHED_REPLY_MORE ? ANSWERS_MORE : ANSWERS_BROKEN;
}

enum answers_result answers_next(struct answers *answers, struct slice input, struct answer *ret_answer) {
    return answers->protocol == REQUESTS_RESP ? next_resp(answers, input, ret_answer)
                                              : next_memcached(answers, input, ret_answer);
}

size_t answers_drop(struct answers *answers) {
    size_t size = answers->protocol == REQUESTS_RESP ? answers->resp.position : answers->memcached.position;
    if (answers->protocol == REQUESTS_RESP)
        resp_reply_drop(&answers->resp, size);
    else
        memcached_reply_drop(&answers->memcached, size);
    return size;
}

const char *answers_error(const struct answers *answers) {
    const char *error = answers->protocol == REQUESTS_RESP ? answers->resp.error : answers->memcached.error;
    return error ? error : "";
}
