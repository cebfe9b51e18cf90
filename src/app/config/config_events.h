/* app/config/config_events.h: which events of keys are published, as a set and as letters.
 *
 * The letters are those of Redis, and so is the order in which a set is written.
 *
 * Threads: no state.
 * Errors:  an unknown letter leaves the set as it was.
 */
#ifndef STRATA_APP_CONFIG_CONFIG_EVENTS_H
#define STRATA_APP_CONFIG_CONFIG_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* The first two say where to, the others of what. */
enum config_event {
    CONFIG_EVENT_TO_KEY = 1 << 0,     /* K: __keyspace@DB__:KEY */
    CONFIG_EVENT_TO_EVENT = 1 << 1,   /* E: __keyevent@DB__:EVENT */
    CONFIG_EVENT_GENERIC = 1 << 2,    /* g: of any type */
    CONFIG_EVENT_STRING = 1 << 3,     /* $ */
    CONFIG_EVENT_LIST = 1 << 4,       /* l */
    CONFIG_EVENT_SET = 1 << 5,        /* s */
    CONFIG_EVENT_HASH = 1 << 6,       /* h */
    CONFIG_EVENT_SORTED_SET = 1 << 7, /* z */
    CONFIG_EVENT_EXPIRED = 1 << 8,    /* x: ended by its time, or by a tag */
    CONFIG_EVENT_EVICTED = 1 << 9,    /* e */
    CONFIG_EVENT_STREAM = 1 << 10,    /* t */
    CONFIG_EVENT_MODULE = 1 << 11,    /* d */
    CONFIG_EVENT_NEW = 1 << 12,       /* n: not in A */
    CONFIG_EVENT_MISS = 1 << 13,      /* m: not in A */
};
enum {
    CONFIG_EVENTS_TO = CONFIG_EVENT_TO_KEY | CONFIG_EVENT_TO_EVENT,
    CONFIG_EVENTS_ALL = CONFIG_EVENT_GENERIC | CONFIG_EVENT_STRING | CONFIG_EVENT_LIST | CONFIG_EVENT_SET |
                        CONFIG_EVENT_HASH | CONFIG_EVENT_SORTED_SET | CONFIG_EVENT_EXPIRED | CONFIG_EVENT_EVICTED |
                        CONFIG_EVENT_STREAM | CONFIG_EVENT_MODULE, /* A */
    CONFIG_EVENTS_TEXT_MAX = 14,
};

bool config_events_parse(struct slice text, uint32_t *ret_events);
/* `ret_text` has room for CONFIG_EVENTS_TEXT_MAX bytes and a zero. Answers its length. */
size_t config_events_text(uint32_t events, char *ret_text);

#endif
