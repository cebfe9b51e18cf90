/* core/classes/placement.h: which stores a set of rules wants, and which keys go there.
 *
 *     stores:  sessions ---------------------------> sessions        classes that name it share it
 *     class    "job:{id}" quota, evict: never -----> @job-id         a class with limits has a store of its own, unless it is the
 *     class    "user:{id}" ------------------------> default         only one of a named store: then the limits are that store's
 *
 * A class that is more specific than one in a store takes its keys out of there; so those that overlap are asked, in the order in which classes
 * are meant. All others are the default store's without a question.
 *
 * Threads: any may ask placement_route, which reads nothing that changes; the rest by one.
 * Memory:  one block from the memory that is handed in; nothing refers to the rules.
 * Time:    a route costs one match among these classes (core/rules/match.h).
 * Errors:  STATUS_NO_MEMORY; STATUS_FULL for more stores than there may be.
 */
#ifndef STRATA_CORE_CLASSES_PLACEMENT_H
#define STRATA_CORE_CLASSES_PLACEMENT_H

#include "core/cache/cache.h"
#include "core/rules/rules.h"

struct placement_store {
    char name[CACHE_STORE_NAME_MAX + 1];
    uint32_t line; /* where the manifest wants it; 0: it says nothing of the default store */
    uint32_t share_permille;
    uint64_t guaranteed_bytes, entries_max;
    enum cache_policy policy;
    bool says_policy; /* else it is the usual one */
    bool filter;
    uint32_t filter_rate_ppm;
    struct cache_bounds bounds;
    struct slice head; /* of a store of sessions: the class that names them */
    uint32_t number;   /* in the cache; whoever makes the stores fills it in */
};

struct placement;

/* `usual`: the policy of stores that do not say one. */
MUST_CHECK enum status placement_new(const struct rules *rules, enum cache_policy usual, const struct memory *memory,
                                     struct placement **ret_placement);
void placement_free(struct placement *placement);

/* The default store is the first. */
uint32_t placement_store_count(const struct placement *placement);
struct placement_store *placement_store(struct placement *placement, uint32_t store);
struct placement_store *placement_store_named(struct placement *placement, const char *name); /* NULL: there is none */
bool placement_has_sessions(const struct placement *placement);

/* Whether every key goes to the store of the same name in both, and stores of sessions are the same. */
bool placement_same_routes(const struct placement *a, const struct placement *b);

/* Takes over what of `from`, which has the same routes, is not a route. */
void placement_keep_numbers(struct placement *placement, const struct placement *from);

/* For struct cache_router, with the placement as context. */
uint32_t placement_route(const void *placement, struct slice name, struct slice *ret_part);

#endif
