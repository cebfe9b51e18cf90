/* app/cmd/key_call.h: what commands about keys share.
 *
 * Threads: those of the call.
 * Memory:  key arrays live in the call's arena.
 * Errors:  each call that answers false has written the error reply.
 */
#ifndef STRATA_APP_CMD_KEY_CALL_H
#define STRATA_APP_CMD_KEY_CALL_H

#include "app/cmd/cmd.h"

/* The keys at the arguments from `first` to the last. */
bool key_call_keys(struct cmd_call *call, uint32_t first, struct cache_key **ret_keys, uint32_t *ret_count);

/* A database number at argument `at`, which may still be out of range. `error_text` NULL: what Redis says by default. */
bool key_call_database_number(struct cmd_call *call, uint32_t at, const char *error_text, int64_t *ret_number);
bool key_call_database_check(struct cmd_call *call, int64_t number, uint32_t *ret_db);
bool key_call_database(struct cmd_call *call, uint32_t at, uint32_t *ret_db);

/* Looks the key at argument `at` up for a question about it: a hit or a miss, but no use of its value. */
bool key_call_ask(struct cmd_call *call, uint32_t at, struct cache_info *ret_info);

/* After a look that did not count: a hit or a miss, for statistics and for those who are told of misses. */
void key_call_count(struct cmd_call *call, const struct cache_key *key, bool found);

/* What TYPE says. */
const char *key_call_type_name(enum cache_type type);

/* An array whose size is known when its members are: begin, write them, end. */
struct key_call_array {
    struct reply_mark mark;
    uint64_t count;
};
enum { KEY_CALL_BEFORE_MAX = 40 };
void key_call_array_begin(struct cmd_call *call, struct key_call_array *array);
void key_call_array_add(struct cmd_call *call, struct key_call_array *array, struct slice member);
/* `before`: at most KEY_CALL_BEFORE_MAX bytes of reply that stand in front of the array. */
void key_call_array_end(struct cmd_call *call, struct key_call_array *array, struct slice before);

#endif
