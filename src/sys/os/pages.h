/* sys/os/pages.h: ranges of memory straight from the kernel.
 *
 * A range is address space: zero-filled, backed by real pages as they are first touched, so that a cache may reserve
 * its largest size and pay for what it uses.
 *
 * Threads: any.
 * Memory:  the caller gives a range back with the size it asked for.
 * Errors:  STATUS_NO_MEMORY when the kernel refuses.
 */
#ifndef STRATA_SYS_OS_PAGES_H
#define STRATA_SYS_OS_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { PAGES_HUGE_SIZE = 2 * 1024 * 1024 };

/* Answers `size` bytes aligned to PAGES_HUGE_SIZE, in small pages until pages_dense. */
MUST_CHECK enum status pages_take(uint64_t size, void **ret_range);
/* Huge pages for this part, which is aligned to them, as it is touched; `filled`: at once for what is there already. A hint: the
 * kernel may say no. */
void pages_dense(void *bytes, uint64_t size, bool filled);
/* Gives the memory behind this part back, which is aligned to pages: it reads as zero, and takes small pages again. */
void pages_release(void *bytes, uint64_t size);
void pages_give(void *range, uint64_t size);

#endif
