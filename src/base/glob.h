/* base/glob.h: patterns with stars, as the Redis protocol means them.
 *
 * `*` any bytes, `?` one byte, `[abc]` `[a-z]` `[^a]` one of a class, `\x` the byte x itself. A class that is not
 * closed ends with the pattern; an escape at the end stands for itself.
 *
 * Threads: no state.
 * Time:    at most pattern size times text size: only the last star is ever tried again.
 */
#ifndef STRATA_BASE_GLOB_H
#define STRATA_BASE_GLOB_H

#include "base/slice.h"

/* `nocase`: ASCII letters match without case. */
bool glob_matches(struct slice pattern, struct slice text, bool nocase);

#endif
