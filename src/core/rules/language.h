/* core/rules/language.h: what two patterns have in common, and whether some patterns leave out a key of another.
 *
 * Patterns are regular, so both questions are decided exactly, by walking through the states of the patterns together; whoever asks gets a key
 * as evidence. Only the checker asks them, never a request.
 *
 * Memory:  taken from the arena that is handed in; whoever asks resets it.
 * Time:    rules_overlap at most 2 x 2 x tokens x tokens steps; rules_leaves_out at most LANGUAGE_STATES_MAX states.
 * Errors:  STATUS_NO_MEMORY; STATUS_TOO_LARGE when the question has more states than are looked at.
 */
#ifndef STRATA_CORE_RULES_LANGUAGE_H
#define STRATA_CORE_RULES_LANGUAGE_H

#include "core/rules/pattern.h"

enum {
    RULES_WITNESS_MAX = 512, /* bytes of a key given as evidence; a longer one is cut */
    RULES_LANGUAGE_STATES_MAX = 8192,
    RULES_LANGUAGE_OTHERS_MAX = 64,
};

struct rules_witness {
    uint8_t bytes[RULES_WITNESS_MAX];
    size_t size;
};

/* Whether some key matches both; a shortest one is the witness. */
MUST_CHECK enum status rules_overlap(const struct rules_pattern *a, const struct rules_pattern *b,
                                     struct arena *scratch, bool *ret_overlap, struct rules_witness *ret_witness);

/* Whether some key of `pattern` matches none of the others; a shortest one is the witness. */
MUST_CHECK enum status rules_leaves_out(const struct rules_pattern *pattern, const struct rules_pattern *const *others,
                                        uint32_t other_count, struct arena *scratch, bool *ret_leaves_out,
                                        struct rules_witness *ret_witness);

#endif
