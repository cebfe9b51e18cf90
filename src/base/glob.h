/* base/glob.h: patterns with stars, as the Redis protocol means them.
 *
 *     *       any bytes, also none          [abc]   one of these
 *     ?       any one byte                  [a-z]   one of this range; [z-a] is the same
 *     \x      the byte x itself             [^x]    any byte but these
 *
 * There is no bad pattern: a class that is not closed ends with the pattern ("[^" alone is any byte), an escape at the end is
 * a backslash, "]" closes a class even as its first byte, and may be the upper end of a range ("[a-]" is not closed).
 * Bytes compare as they are; in ranges those over 127 come before the others.
 *
 * Threads: no state.
 * Time:    at most pattern size times text size: only what follows the last star is ever tried again. Their sum if between stars there are plain
 *          bytes only.
 */
#ifndef STRATA_BASE_GLOB_H
#define STRATA_BASE_GLOB_H

#include "base/slice.h"

/* `nocase`: ASCII letters match without case (but not an escaped letter in a class). */
bool glob_matches(struct slice pattern, struct slice text, bool nocase);

/* Writes an equal pattern (with case only) in which no class takes more than GLOB_CLASS_MAX bytes, for use with many texts; answers its
 * size, which is at most that of `pattern`. `ret_pattern` has room for that much. */
enum { GLOB_CLASS_MAX = 260 };
size_t glob_shorten(struct slice pattern, uint8_t *ret_pattern);

#endif
