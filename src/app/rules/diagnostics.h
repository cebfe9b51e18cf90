/* app/rules/diagnostics.h: what is wrong with a manifest, collected and then written as a compiler writes it.
 *
 *     manifest.yaml:12:5: error: there is no service 'wbe' [unknown-service]
 *        12 |     borrowers: [wbe]
 *           |                 ^~~
 *     help: did you mean 'web'?
 *
 * Threads: one owner.
 * Memory:  everything in one arena; diagnostics_fini gives it back. The source is borrowed while it is written.
 * Errors:  when memory ends while a problem is told, it is counted and `short_of_memory` says so: the manifest counts as wrong.
 */
#ifndef STRATA_APP_RULES_DIAGNOSTICS_H
#define STRATA_APP_RULES_DIAGNOSTICS_H

#include "base/arena.h"
#include "base/buf.h"
#include "core/rules/manifest.h"

struct diagnostics {
    struct arena arena;
    struct manifest_problem problems[MANIFEST_PROBLEMS_MAX];
    uint32_t count; /* of those kept */
    uint32_t errors, warnings;
    bool short_of_memory;
};

void diagnostics_init(struct diagnostics *diagnostics, const struct memory *memory);
void diagnostics_fini(struct diagnostics *diagnostics);

/* What tells problems to these diagnostics, with suggestions. */
struct manifest_sink diagnostics_sink(struct diagnostics *diagnostics);

enum diagnostics_form { DIAGNOSTICS_TEXT, DIAGNOSTICS_JSON };

/* Appends all of it, in the order of lines. `name` is how the file is called. */
MUST_CHECK enum status diagnostics_write(struct diagnostics *diagnostics, enum diagnostics_form form, const char *name,
                                         struct slice source, struct buf *out);

#endif
