/* core/rules/manifest.h: what a manifest says, before anything is checked, and how what is wrong with it is told.
 *
 * Whoever reads the file fills this in, with the place of everything; rules_compile checks it and makes the rules. docs/manifest.md is the
 * page for people.
 *
 * Threads: plain data.
 * Memory:  texts and arrays belong to whoever made them; they have to live until rules_compile has answered.
 */
#ifndef STRATA_CORE_RULES_MANIFEST_H
#define STRATA_CORE_RULES_MANIFEST_H

#include "base/slice.h"

enum {
    MANIFEST_CLASSES_MAX = 4096,
    MANIFEST_SERVICES_MAX = 256,
    MANIFEST_EVENTS_MAX = 1024,
    MANIFEST_STORES_MAX =
        64, /* with the default one, and those that classes with limits of their own get behind the scenes */
    MANIFEST_TAGS_MAX = 8,     /* that a class puts on each entry */
    MANIFEST_TARGETS_MAX = 64, /* of one class or event */
    MANIFEST_NAME_MAX = 63,
    MANIFEST_STORE_NAME_MAX = 31,
    MANIFEST_SHARE_ALL = 1000, /* permille */
    MANIFEST_PROBLEMS_MAX = 100,
};

/* Where something stands. Lines and columns begin at 1, columns and widths count characters; line 0: it does not stand there. */
struct manifest_place {
    uint32_t line, column, width;
};

struct manifest_text {
    struct slice text;
    struct manifest_place place;
};

enum manifest_evict { MANIFEST_EVICT_NORMAL, MANIFEST_EVICT_NEVER, MANIFEST_EVICT_LAST, MANIFEST_EVICT_FIRST };
enum manifest_codec { MANIFEST_CODEC_NONE, MANIFEST_CODEC_LZ4, MANIFEST_CODEC_ZSTD };
enum manifest_on_quota { MANIFEST_ON_QUOTA_EVICT, MANIFEST_ON_QUOTA_REFUSE };
enum manifest_layer { MANIFEST_LAYER_SERVER = 1, MANIFEST_LAYER_CLIENT = 2, MANIFEST_LAYER_EDGE = 4 };

enum manifest_target_kind {
    MANIFEST_TARGET_KEYS,  /* a pattern; its parts are filled in */
    MANIFEST_TARGET_TAG,   /* a tag; its parts are filled in */
    MANIFEST_TARGET_EVENT, /* only under `derives`: what is outside and tells of its changes by this event */
};

struct manifest_target {
    enum manifest_target_kind kind;
    bool soft; /* what goes by it may still be shown as stale */
    struct manifest_text what;
};

/* What can be said of a class; `said` and the places of a class are by these numbers. */
enum manifest_field {
    MANIFEST_OWNER,
    MANIFEST_BORROWERS,
    MANIFEST_LAYERS,
    MANIFEST_TTL_DEFAULT,
    MANIFEST_TTL_MAX,
    MANIFEST_TTL_JITTER,
    MANIFEST_TTL_SLIDING,
    MANIFEST_STALE,
    MANIFEST_NEGATIVE,
    MANIFEST_REFRESH,
    MANIFEST_TAGS,
    MANIFEST_STORE,
    MANIFEST_CODEC,
    MANIFEST_QUOTA,
    MANIFEST_ON_QUOTA,
    MANIFEST_EVICT,
    MANIFEST_WRITES,
    MANIFEST_INVALIDATES,
    MANIFEST_DERIVES,
    MANIFEST_FIELD_COUNT
};

struct manifest_class {
    struct manifest_text pattern;
    struct manifest_place places[MANIFEST_FIELD_COUNT]; /* of what is said; line 0: not said */
    struct manifest_text owner, store;
    const struct manifest_text *borrowers, *tags;
    const struct manifest_target *invalidates, *derives;
    uint32_t borrower_count, tag_count, invalidate_count, derive_count;
    uint64_t ttl_default_ms, ttl_max_ms, stale_ms, negative_ms; /* 0: none */
    uint32_t jitter_permille, refresh_permille;
    uint32_t quota_permille; /* of the memory limit; if 0: */
    uint64_t quota_bytes;
    uint8_t layers, evict, codec, on_quota;
    bool sliding, leased;
};

struct manifest_store {
    struct manifest_text name;
    struct manifest_place memory_place;
    uint32_t share_permille; /* if 0: */
    uint64_t guaranteed_bytes;
    uint64_t entries_max;
    struct manifest_text eviction; /* as it is written, in lower case; empty: not said */
    uint32_t filter_rate_ppm;      /* 0: the usual one */
    bool filter;
};

struct manifest_event {
    struct manifest_text name; /* a pattern of names: order.* */
    const struct manifest_target *targets;
    uint32_t target_count;
};

struct manifest {
    const struct manifest_text *services;
    const struct manifest_store *stores;
    const struct manifest_class *classes;
    const struct manifest_event *events;
    uint32_t service_count, store_count, class_count, event_count;
    bool says_services; /* whether there is a list of services: then every name has to be in it */
};

/* ------------------------------------------------------------------------------------------ what is wrong */

enum manifest_severity { MANIFEST_ERROR, MANIFEST_WARNING };

/* The texts live as long as the call that tells of them. */
struct manifest_problem {
    enum manifest_severity severity;
    const char *code; /* a word for machines: "ambiguous" */
    struct manifest_place place;
    const char *message;
    struct manifest_place note_place;
    const char *note; /* NULL: none; its place may have line 0 */
    const char *help; /* what to do; NULL: the message says it */
};

/* Told of every problem, in no order. */
struct manifest_sink {
    void (*tell)(void *context, const struct manifest_problem *problem);
    /* A word of the list, which ends with NULL, that is like the given one; may be NULL. */
    const char *(*suggest)(struct slice word, const char *const *words);
    void *context;
};

#endif
