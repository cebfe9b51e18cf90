/* app/rules/manifest_diagnose.h: rules from the text of a manifest, and what is wrong with it as text.
 *
 * Threads: no state.
 * Memory:  as the buffer; everything else is given back.
 * Errors:  STATUS_INVALID: there was an error, of which `problems` tells; warnings alone are STATUS_OK. STATUS_NO_MEMORY.
 */
#ifndef STRATA_APP_RULES_MANIFEST_DIAGNOSE_H
#define STRATA_APP_RULES_MANIFEST_DIAGNOSE_H

#include "app/rules/diagnostics.h"
#include "core/rules/rules.h"

struct manifest_counts {
    uint32_t errors, warnings;
};

/* `name` is how the text is called. `ret_counts` may be NULL. */
MUST_CHECK enum status manifest_diagnose(struct slice text, const char *name, enum diagnostics_form form,
                                         struct buf *problems, struct rules **ret_rules,
                                         struct manifest_counts *ret_counts);

/* Of problems as text, those from the first error on: warnings before it are no reason to refuse a manifest. All of them if there is none. */
struct slice manifest_first_error(struct slice problems, const char *name);

#endif
