/* app/cmd/edges.h: an edge of the rules in the words of the manifest: "tag team:{id} (line 7)".
 *
 * Threads: no state.
 */
#ifndef STRATA_APP_CMD_EDGES_H
#define STRATA_APP_CMD_EDGES_H

#include <stdio.h>

#include "core/classes/names.h"
#include "core/rules/rules.h"

enum { EDGE_LINE_MAX = RULES_PATTERN_SIZE_MAX + 64 };

struct edge_line {
    char text[EDGE_LINE_MAX];
};

/* What the edge leads to, and where that is written. */
static inline struct edge_line edge_line(const struct rules *rules, const struct rules_edge *edge) {
    const struct rules_target *first = edge->targets;
    struct edge_line line;
    struct slice to = edge->text;
    if (edge->derives && edge->target_count && first->reached_count) /* the text is the source */
        to = rules_class(rules, first->reached[0])->pattern.text;
    bool is_tag = !edge->derives && edge->target_count && first->kind == RULES_TARGET_TAG &&
                  !classes_is_marked(first->template.pieces[0]);
    snprintf(line.text, sizeof line.text, "%s%s%.*s (line %u)", edge->soft ? "soft " : "", is_tag ? "tag " : "",
             (int)to.size, to.size ? (const char *)to.data : "", edge->place.line);
    return line;
}

#endif
