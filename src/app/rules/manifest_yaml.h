/* app/rules/manifest_yaml.h: a manifest from YAML, with the place of everything in it.
 *
 * Threads: no state.
 * Memory:  the arena that is handed in holds everything but the text of scalars' places; libyaml takes its own while it reads.
 * Errors:  every wrong value is told and left out, and the rest is read on; STATUS_INVALID means that the text is no YAML at all, or of another
 *          version, so that no more can be said.
 */
#ifndef STRATA_APP_RULES_MANIFEST_YAML_H
#define STRATA_APP_RULES_MANIFEST_YAML_H

#include "base/arena.h"
#include "core/rules/manifest.h"
#include "core/rules/rules.h"

enum {
    MANIFEST_TEXT_MAX = 4 * 1024 * 1024, /* bytes of a manifest */
    MANIFEST_DEPTH_MAX = 8,
    MANIFEST_NODES_MAX = 200 * 1000,
};

MUST_CHECK enum status manifest_read(struct slice text, struct arena *arena, const struct manifest_sink *sink,
                                     struct manifest *ret_manifest);

/* Reads and compiles: STATUS_INVALID if there was any error. */
MUST_CHECK enum status manifest_compile(struct slice text, const struct memory *memory,
                                        const struct manifest_sink *sink, struct rules **ret_rules);

#endif
