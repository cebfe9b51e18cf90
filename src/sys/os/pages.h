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

/* Answers `size` bytes aligned to PAGES_HUGE_SIZE. `huge`: ask for transparent 2 MiB pages (a hint: the kernel may say no). */
MUST_CHECK enum status pages_take(uint64_t size, bool huge, void **ret_range);
/* No huge pages for this part, which is aligned to pages: it will stay mostly empty. A hint. */
void pages_spare(void *bytes, uint64_t size);
void pages_give(void *range, uint64_t size);

#endif
