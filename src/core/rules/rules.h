/* core/rules/rules.h: a manifest that has been checked, as the engine asks it.
 *
 * A key falls into at most one class. A class says how long its entries live, who writes and reads them, which tags they bear, and what
 * becomes invalid when one of them is written, deleted or invalidated (plan.h). A set of rules is never changed: a new manifest is a new set, and
 * rules_diff says what differs.
 *
 * Threads: any may read; whoever frees says that nobody reads any more.
 * Memory:  one arena from the memory that is handed in; rules_free gives it back. Nothing refers to the manifest.
 * Time:    rules_match as in match.h, about 0.1 microseconds with a thousand classes; the other questions are look-ups by number.
 * Errors:  rules_compile tells of everything that is wrong and answers STATUS_INVALID if there was an error; warnings alone are STATUS_OK.
 */
#ifndef STRATA_CORE_RULES_RULES_H
#define STRATA_CORE_RULES_RULES_H

#include "base/buf.h"
#include "core/rules/manifest.h"
#include "core/rules/pattern.h"

enum { RULES_NONE = UINT32_MAX };

/* A text with parts that are filled in: pieces[0] {field 0} pieces[1] ... */
struct rules_template {
    struct slice text; /* as it is written */
    const struct slice *pieces;
    const uint8_t *fields; /* of the pattern whose parts are filled in; field_count of them, pieces one more */
    uint8_t field_count;
};

/* The names of implicit tags begin with one of these bytes; tags of the manifest and of clients should not. */
enum {
    RULES_BEGINNING_MARK = '~', /* entries whose keys begin like this: ~feed:7:* */
    RULES_SOURCE_MARK = '^',    /* entries derived from such a key: ^item:3:* */
};

struct rules_tag {
    struct rules_template template;
    bool implicit; /* put on by an edge, to make it cost nothing to fire */
    struct manifest_place place;
    struct rules_pattern form; /* which tags it may come to; if `tells`, its parts are parts of the key */
    const uint8_t *form_fields;
    bool tells;
};

enum rules_target_kind {
    RULES_TARGET_KEY,        /* exactly this key */
    RULES_TARGET_TAG,        /* every entry with this tag */
    RULES_TARGET_CLASS,      /* every entry of a class */
    RULES_TARGET_PATTERN,    /* every entry whose key matches: what can only be done by a ban */
    RULES_TARGET_EXPRESSION, /* the same by a regular expression; in no manifest, only where a plan begins */
};

/* What goes when an edge fires. A target of the manifest may be several of these. */
struct rules_target {
    enum rules_target_kind kind;
    struct rules_template template; /* not for classes */
    struct rules_template instead;  /* of tags for the beginning of keys: the same as a pattern */
    uint32_t class;                 /* RULES_TARGET_CLASS: which one; otherwise RULES_NONE */
    const uint32_t *reached;        /* classes some of whose entries may go */
    uint32_t reached_count;
};

/* From a class to what a change of its entries invalidates. */
struct rules_edge {
    uint32_t from;             /* class; RULES_NONE: an event */
    bool derives;              /* written at the derived class */
    bool own_fields;           /* the parts are those of `when`, not of the class's pattern */
    bool soft;                 /* what goes by it is stale, whatever led here; otherwise as what led here */
    struct rules_pattern when; /* only if own_fields: the edge fires for keys that match */
    const struct rules_target *targets;
    uint32_t target_count;
    struct slice text; /* the target, or for `derives` the source, as it is written */
    struct manifest_place place;
};

struct rules_class {
    struct rules_pattern pattern;
    struct manifest_place place;
    struct manifest_place places[MANIFEST_FIELD_COUNT];
    uint32_t owner; /* service; RULES_NONE: anybody may write */
    const uint32_t *borrowers;
    uint32_t borrower_count;
    uint32_t store; /* RULES_NONE: the default one */
    bool own_store; /* has limits that need a store of its own behind the scenes */
    uint64_t ttl_default_ms, ttl_max_ms, stale_ms, negative_ms;
    uint32_t jitter_permille, refresh_permille, quota_permille;
    uint64_t quota_bytes;
    uint8_t layers, evict, codec, on_quota; /* manifest.h */
    bool sliding, leased;
    const struct rules_tag *tags; /* to be put on every entry, those of edges too */
    uint32_t tag_count;
    const uint32_t *edges; /* that fire when an entry changes: numbers, in the order of the file */
    uint32_t edge_count;
};

struct rules_store {
    struct slice name, eviction;
    struct manifest_place place;
    uint32_t share_permille;
    uint64_t guaranteed_bytes, entries_max;
    uint32_t filter_rate_ppm;
    bool filter;
};

struct rules_event {
    struct rules_pattern name;
    struct manifest_place place;
    const struct rules_edge *edges;
    uint32_t edge_count;
};

struct rules;

MUST_CHECK enum status rules_compile(const struct manifest *manifest, const struct memory *memory,
                                     const struct manifest_sink *sink, struct rules **ret_rules);
void rules_free(struct rules *rules);

/* The class of a key, or RULES_NONE: no rule is about it. `ret_fields` is filled with what the parts of the class's pattern matched. */
uint32_t rules_match(const struct rules *rules, struct slice key, struct rules_fields *ret_fields);

uint32_t rules_class_count(const struct rules *rules);
const struct rules_class *rules_class(const struct rules *rules, uint32_t class);

/* The class whose pattern is written like this, or RULES_NONE. */
uint32_t rules_class_named(const struct rules *rules, struct slice pattern);

uint32_t rules_service_count(const struct rules *rules);
struct slice rules_service(const struct rules *rules, uint32_t service);
uint32_t rules_service_named(const struct rules *rules, struct slice name);

uint32_t rules_store_count(const struct rules *rules);
const struct rules_store *rules_store(const struct rules *rules, uint32_t store);

uint32_t rules_edge_count(const struct rules *rules);
const struct rules_edge *rules_edge(const struct rules *rules, uint32_t edge);

uint32_t rules_event_count(const struct rules *rules);
const struct rules_event *rules_event(const struct rules *rules, uint32_t event);

/* Who may do what; a service that no rule names is RULES_NONE. `class` RULES_NONE: everybody may do everything. */
bool rules_may_write(const struct rules *rules, uint32_t class, uint32_t service);
bool rules_may_read(const struct rules *rules, uint32_t class, uint32_t service);

/* How long an entry lives that is written with `asked_ms` (0: without an expiry); 0: without end. `random` is any number, for the jitter, which
 * only ever shortens. */
uint64_t rules_ttl_ms(const struct rules_class *class, uint64_t asked_ms, uint64_t random);

/* `refresh`: how long before its expiry a value whose TTL is its class's may be loaded anew; 0: the class says nothing of that. A share of the
 * shortest life that `jitter` can come to, so that no value is asked for anew as soon as it is written. */
uint64_t rules_early_ms(const struct rules_class *class);

/* Appends a tag of an entry, or any other template, filled with what the parts of `key` matched. */
MUST_CHECK enum status rules_template_fill(const struct rules_template *template, struct slice key,
                                           const struct rules_fields *fields, struct buf *text);

/* ------------------------------------------------------------------------------------------ differences */

enum rules_change { RULES_ADDED, RULES_REMOVED, RULES_CHANGED };

struct rules_difference {
    enum rules_change change;
    uint32_t class_before, class_after; /* RULES_NONE: was not or is not there */
    uint32_t fields;                    /* RULES_CHANGED: a bit for each enum manifest_field that differs */
};

/* Classes are the same if their patterns take the same keys. Answers the number of differences and tells of the first `difference_max`. */
uint32_t rules_diff(const struct rules *before, const struct rules *after, struct rules_difference *ret_differences,
                    uint32_t difference_max);

/* The word of the manifest for what can be said: "owner", "ttl.max". */
const char *rules_field_name(enum manifest_field field);

#endif
