/* core/rules/internal.h: what the parts of this folder share.
 *
 * Private to this folder. A set of rules is made in steps by one builder: names (compile.c), edges (edges.c), then what only looks (check.c).
 */
#ifndef STRATA_CORE_RULES_INTERNAL_H
#define STRATA_CORE_RULES_INTERNAL_H

#include "core/rules/language.h"
#include "core/rules/match.h"
#include "core/rules/rules.h"

struct rules {
    struct arena arena;
    const struct memory *memory;
    const struct rules_matcher *matcher;
    struct rules_pattern *patterns; /* of the classes */
    struct rules_class *classes;
    struct slice *services;
    struct rules_store *stores;
    struct rules_edge *edges;
    struct rules_event *events;
    uint32_t class_count, service_count, store_count, edge_count, event_count;
};

struct build {
    const struct manifest *manifest;
    const struct manifest_sink *sink;
    struct rules *rules;
    struct arena scratch;
    bool *broken; /* classes whose pattern could not be read: nothing more is said of them */
    uint32_t errors;
};

enum { PROBLEM_TEXT_MAX = 700 };

/* Tells of a problem; `note` and `help` may be NULL and are not formatted. */
void build_tell(struct build *build, const struct manifest_problem *problem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The place of `size` bytes of a text that stands at `place`. Exact for texts without escapes of YAML. */
struct manifest_place build_place_in(const struct manifest_text *text, size_t at, size_t size);

void *build_take(struct build *build, size_t count, size_t size);

MUST_CHECK enum status build_edges(struct build *build);
MUST_CHECK enum status build_check(struct build *build);

#define SHOW(s) (int)((s).size < 96 ? (s).size : 96), (const char *)(s).data

#endif
