/* app/rules/graph.h: the edges of a manifest, drawn.
 *
 * As text for terminals, as SVG laid out in layers from left to right (events first, then what they invalidate, and so on), and as DOT for programs that
 * lay out graphs. Nothing outside is needed for any of them.
 *
 * Threads: no state.
 * Memory:  as the buffer and `memory` that are handed in.
 */
#ifndef STRATA_APP_RULES_GRAPH_H
#define STRATA_APP_RULES_GRAPH_H

#include "base/buf.h"
#include "core/rules/rules.h"

enum graph_form { GRAPH_TEXT, GRAPH_SVG, GRAPH_DOT };

MUST_CHECK enum status graph_write(const struct rules *rules, enum graph_form form, const struct memory *memory,
                                   struct buf *out);

#endif
