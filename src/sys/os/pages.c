#include "sys/os/pages.h"

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1; older headers do not know it, older kernels refuse it */
#endif

enum status pages_take(uint64_t size, void **ret_range) {
    if (size == 0 || size > UINT64_MAX / 4)
        return STATUS_INVALID;
    /* One huge page more than needed, so that an aligned part can be cut out of it. */
    uint64_t whole = bits_align_up(size, PAGES_HUGE_SIZE) + PAGES_HUGE_SIZE;
    uint8_t *mapped = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
        return STATUS_NO_MEMORY;
    uint64_t before = bits_align_up((uintptr_t)mapped, PAGES_HUGE_SIZE) - (uintptr_t)mapped;
    uint64_t kept = bits_align_up(size, PAGES_HUGE_SIZE);
    if (before)
        munmap(mapped, before);
    if (whole - before - kept)
        munmap(mapped + before + kept, whole - before - kept);
    /* Else a system that gives huge pages to all would spend them on what is half empty. */
    (void)madvise(mapped + before, kept, MADV_NOHUGEPAGE);
    *ret_range = mapped + before;
    return STATUS_OK;
}

void pages_dense(void *bytes, uint64_t size, bool filled) {
    if (madvise(bytes, size, MADV_HUGEPAGE) == 0 && filled)
        (void)madvise(bytes, size, MADV_COLLAPSE);
}

/* Locked pages cannot be given back; what must read as zero afterwards does so all the same. */
void pages_release(void *bytes, uint64_t size) {
    if (madvise(bytes, size, MADV_DONTNEED) != 0)
        memset(bytes, 0, size);
    (void)madvise(bytes, size, MADV_NOHUGEPAGE);
}

void pages_give(void *range, uint64_t size) {
    if (range)
        munmap(range, bits_align_up(size, PAGES_HUGE_SIZE));
}
