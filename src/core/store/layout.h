/* core/store/layout.h: how a range is cut up, for whoever opens one (store.c) or opens one again (image.c).
 *
 * Threads: while nobody else is in the engine.
 */
#ifndef STRATA_CORE_STORE_LAYOUT_H
#define STRATA_CORE_STORE_LAYOUT_H

#include "core/store/store.h"

static const uint64_t LAYOUT_MAGIC = 0x3145474e41525453u; /* "STRANGE1" */
/* VERSION: another one when bytes in the range come to mean something else. */
enum { LAYOUT_VERSION = 9, LAYOUT_ALIGNMENT = 4096 };

/* Whether range, limit and numbers are such that there may be an engine. */
bool layout_may_be(const struct engine_options *options);

/* Fills in where tables stand and how large everything is. The head, zero-filled, need not be the range's. False if the range is too small for the
 * tables and a few segments. */
bool layout_make(struct range_head *head, const struct engine_options *options);

/* Points the handle, zero-filled, to what is in the range. */
void layout_bind(struct engine *engine, const struct engine_options *options);

/* How many segments a limit allows for; 0: it cannot be. */
uint64_t layout_segments(const struct range_head *head, uint64_t limit_bytes);

#endif
