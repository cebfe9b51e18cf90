/* app/rules/manifest_file.h: the text of a manifest that stands in a file.
 *
 * Threads: no state.
 * Memory:  as the buffer.
 * Errors:  as sys/os/whole_file.h; EFBIG over MANIFEST_TEXT_MAX bytes.
 */
#ifndef STRATA_APP_RULES_MANIFEST_FILE_H
#define STRATA_APP_RULES_MANIFEST_FILE_H

#include "base/buf.h"

/* "-" is standard input. */
bool manifest_file_read(const char *path, struct buf *text);

/* Whether there is a manifest that a server can go by. What is wrong is written to standard error. */
bool manifest_file_is_good(const char *path);

#endif
