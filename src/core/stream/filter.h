/* core/stream/filter.h: which records a subscriber is told of.
 *
 * The words of a filter say together which keys the subscriber keeps copies of: those that begin with a PREFIX, are of a CLASS, or bear a TAG. It is
 * told of all that may concern one of these, which is everything but what surely does not:
 *
 *     record         PREFIX p                          CLASS c                             TAG t
 *     of a key k     k begins with p                   the class of k is c                 always: nobody knows its tags any more
 *     tag u          always                            always                              u is t
 *     class d        d and p begin alike               d is c                              always
 *     pattern q      q and p begin alike               q and c begin alike                 always
 *     all others     always                            always                              always
 *
 * "Begin alike": the part of a pattern before its first special character, or the prefix, is the beginning of the other one.
 *
 * Threads: no state.
 */
#ifndef STRATA_CORE_STREAM_FILTER_H
#define STRATA_CORE_STREAM_FILTER_H

#include "core/stream/record.h"

enum stream_word_kind { STREAM_WORD_PREFIX, STREAM_WORD_CLASS, STREAM_WORD_TAG, STREAM_WORDS };

struct stream_word {
    enum stream_word_kind kind;
    struct slice text;
};

struct stream_filter {
    const struct stream_word *words;
    uint32_t count; /* 0: everything */
    bool writes;    /* writes as well */
    bool groups;    /* nothing of single keys */
};

bool stream_filter_takes(const struct stream_filter *filter, const struct stream_record *record);

/* What has left the ring is remembered by these. */
enum stream_part_kind {
    STREAM_PART_KEYS,    /* removals of keys that begin like this */
    STREAM_PART_WRITTEN, /* writes of them */
    STREAM_PART_TAG,
    STREAM_PART_CLASS,
    STREAM_PART_PATTERN,
    STREAM_PART_KINDS
};
bool stream_filter_takes_part(const struct stream_filter *filter, enum stream_part_kind kind, struct slice text);

#endif
