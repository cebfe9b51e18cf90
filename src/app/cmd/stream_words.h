/* app/cmd/stream_words.h: the words with which clients say what of the stream they want.
 *
 *     [FROM run position] [PREFIX p ...] [CLASS c ...] [TAG t ...] [WRITES] [GROUPS] [ACK] [HEARTBEAT ms] [COUNT n]
 *
 * A word is followed by one text or by several; it may be repeated. A text that is one of these words needs its own word before it: PREFIX tag.
 *
 * Threads: no state.
 * Memory:  the filter's words stand in the call's arena, their texts are arguments.
 */
#ifndef STRATA_APP_CMD_STREAM_WORDS_H
#define STRATA_APP_CMD_STREAM_WORDS_H

#include "app/cmd/server_api.h"

enum {
    STREAM_COUNT_DEFAULT = 1000,
    STREAM_COUNT_MAX = 100000,
    STREAM_WORDS_MAX = 256,
    STREAM_HEARTBEAT_MS_MIN = 100,
    STREAM_HEARTBEAT_MS_MAX = 3600 * 1000,
};

/* Which of the optional words a command knows. */
enum { STREAM_TAKES_LISTENING = 1 << 0 /* ACK and HEARTBEAT */, STREAM_TAKES_COUNT = 1 << 1 };

struct stream_words {
    struct cmd_stream_wish wish;
    uint32_t count; /* of COUNT */
};

/* Whether the filter can match anything, by the rules in force. False: the error is written. */
bool stream_words_check(struct cmd_call *call, const struct stream_words *words);

/* Reads all arguments from `at` on. False: the error is written. */
bool stream_words_read(struct cmd_call *call, uint32_t at, uint32_t takes, struct stream_words *ret_words);

#endif
