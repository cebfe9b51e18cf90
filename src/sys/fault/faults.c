#include "sys/fault/faults.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/assert.h"

/* What happens to one call; `kind` FAULT_KINDS: nothing. */
struct verdict {
    enum fault_kind kind;
    uint32_t amount;
    uint64_t draw;
};

/* What can be random: by call. A bit that flips unseen belongs to plans, which know where. */
static enum fault_kind drawn(struct faults *faults, enum fault_call call) {
    static const enum fault_kind of_write[] = {FAULT_BROKEN, FAULT_NO_ROOM, FAULT_SHORT, FAULT_TORN};
    if (call == FAULT_WRITE)
        return of_write[rng_below(&faults->rng, 4)];
    if (call == FAULT_OPEN || call == FAULT_RESERVE || call == FAULT_RENAME)
        return rng_below(&faults->rng, 2) ? FAULT_NO_ROOM : FAULT_BROKEN;
    return FAULT_BROKEN;
}

static struct verdict judge(struct faults *faults, enum fault_call call) {
    struct verdict verdict = {.kind = FAULT_KINDS};
    if (faults->before)
        faults->before(faults->before_context, call);
    pthread_mutex_lock(&faults->lock);
    faults->calls++;
    for (unsigned i = 0; i < faults->planned; i++) {
        const struct fault *fault = &faults->plan[i];
        if (!(fault->calls & (unsigned)call))
            continue;
        uint64_t number = ++faults->seen[i];
        if (number >= fault->first && (fault->count == 0 || number - fault->first < fault->count))
            verdict = (struct verdict){.kind = fault->kind, .amount = fault->amount};
    }
    if (verdict.kind == FAULT_KINDS && (faults->random_calls & (unsigned)call) &&
        rng_below(&faults->rng, faults->random_one_in) == 0)
        verdict = (struct verdict){.kind = drawn(faults, call), .amount = 1 + (uint32_t)rng_below(&faults->rng, 16)};
    verdict.draw = rng_next(&faults->rng);
    faults->spoiled += verdict.kind != FAULT_KINDS;
    pthread_mutex_unlock(&faults->lock);
    if (verdict.kind == FAULT_SLOW) {
        struct timespec time = {.tv_sec = verdict.amount / 1000, .tv_nsec = (long)(verdict.amount % 1000) * 1000000};
        while (nanosleep(&time, &time) != 0 && errno == EINTR)
            ;
    }
    return verdict;
}

static enum status broken(void) {
    errno = EIO;
    return STATUS_IO;
}

/* Of calls that either happen or not. */
static bool refuses(struct verdict verdict, enum status *ret_status) {
    if (verdict.kind == FAULT_NO_ROOM) {
        errno = ENOSPC;
        *ret_status = STATUS_FULL;
        return true;
    }
    if (verdict.kind == FAULT_BROKEN || verdict.kind == FAULT_TORN) {
        *ret_status = broken();
        return true;
    }
    return false;
}

static void flip(uint8_t *bytes, size_t size, uint64_t draw) {
    uint64_t bit = size ? draw % (size * 8) : 0;
    if (size)
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static enum status faulty_open(void *context, const char *name, enum files_how how, int *ret_file) {
    struct faults *faults = context;
    enum status status;
    return refuses(judge(faults, FAULT_OPEN), &status)
               ? status
               : faults->inner->open(faults->inner->context, name, how, ret_file);
}

static void faulty_close(void *context, int file) {
    struct faults *faults = context;
    faults->inner->close(faults->inner->context, file);
}

static enum status faulty_read(void *context, int file, uint64_t offset, void *ret_bytes, size_t size,
                               size_t *ret_size) {
    struct faults *faults = context;
    struct verdict verdict = judge(faults, FAULT_READ);
    enum status status;
    if (refuses(verdict, &status))
        return status;
    TRY(faults->inner->read(faults->inner->context, file, offset, ret_bytes, size, ret_size));
    if (verdict.kind == FAULT_FLIPPED)
        flip(ret_bytes, *ret_size, verdict.draw);
    return STATUS_OK;
}

static enum status write_flipped(struct faults *faults, int file, uint64_t offset, const uint8_t *bytes, size_t size,
                                 uint64_t draw, size_t *ret_size) {
    uint8_t part[256];
    size_t at = (size_t)(draw % size), few = size - at < sizeof part ? size - at : sizeof part;
    if (at)
        TRY(files_write(faults->inner, file, offset, bytes, at));
    memcpy(part, bytes + at, few);
    flip(part, few, draw >> 32);
    TRY(files_write(faults->inner, file, offset + at, part, few));
    *ret_size = at + few;
    return STATUS_OK;
}

static enum status faulty_write(void *context, int file, uint64_t offset, const void *bytes, size_t size,
                                size_t *ret_size) {
    struct faults *faults = context;
    struct verdict verdict = judge(faults, FAULT_WRITE);
    enum status status;
    if (verdict.kind == FAULT_TORN && size > 1) {
        size_t half;
        TRY(faults->inner->write(faults->inner->context, file, offset, bytes, size / 2, &half));
        return broken();
    }
    if (refuses(verdict, &status))
        return status;
    if (verdict.kind == FAULT_FLIPPED && size)
        return write_flipped(faults, file, offset, bytes, size, verdict.draw, ret_size);
    if (verdict.kind == FAULT_SHORT && size > verdict.amount && verdict.amount)
        size = verdict.amount;
    return faults->inner->write(faults->inner->context, file, offset, bytes, size, ret_size);
}

static enum status faulty_reserve(void *context, int file, uint64_t size) {
    struct faults *faults = context;
    enum status status;
    return refuses(judge(faults, FAULT_RESERVE), &status) ? status
                                                          : faults->inner->reserve(faults->inner->context, file, size);
}

static enum status faulty_truncate(void *context, int file, uint64_t size) {
    struct faults *faults = context;
    enum status status;
    return refuses(judge(faults, FAULT_TRUNCATE), &status)
               ? status
               : faults->inner->truncate(faults->inner->context, file, size);
}

static enum status faulty_size(void *context, int file, uint64_t *ret_size) {
    struct faults *faults = context;
    return faults->inner->size(faults->inner->context, file, ret_size);
}

static enum status faulty_sync(void *context, int file) {
    struct faults *faults = context;
    enum status status;
    if (!refuses(judge(faults, FAULT_SYNC), &status))
        return faults->inner->sync(faults->inner->context, file);
    if (faults->disk)
        disk_lose_unsynced(faults->disk, file);
    return broken();
}

static enum status faulty_sync_directory(void *context) {
    struct faults *faults = context;
    enum status status;
    return refuses(judge(faults, FAULT_SYNC_DIRECTORY), &status)
               ? broken()
               : faults->inner->sync_directory(faults->inner->context);
}

static enum status faulty_rename(void *context, const char *from, const char *to) {
    struct faults *faults = context;
    enum status status;
    return refuses(judge(faults, FAULT_RENAME), &status) ? status
                                                         : faults->inner->rename(faults->inner->context, from, to);
}

static enum status faulty_remove(void *context, const char *name) {
    struct faults *faults = context;
    enum status status;
    return refuses(judge(faults, FAULT_REMOVE), &status) ? status : faults->inner->remove(faults->inner->context, name);
}

static enum status faulty_list(void *context, enum status (*visit)(void *visitor, const char *name), void *visitor) {
    struct faults *faults = context;
    enum status status;
    return refuses(judge(faults, FAULT_LIST), &status) ? status
                                                       : faults->inner->list(faults->inner->context, visit, visitor);
}

static enum status faulty_room(void *context, uint64_t *ret_bytes) {
    struct faults *faults = context;
    return faults->inner->room(faults->inner->context, ret_bytes);
}

static const struct files calls = {
    .open = faulty_open,
    .close = faulty_close,
    .read = faulty_read,
    .write = faulty_write,
    .reserve = faulty_reserve,
    .truncate = faulty_truncate,
    .size = faulty_size,
    .sync = faulty_sync,
    .sync_directory = faulty_sync_directory,
    .rename = faulty_rename,
    .remove = faulty_remove,
    .list = faulty_list,
    .room = faulty_room,
};

void faults_init(struct faults *faults, const struct files *inner, struct disk *disk, uint64_t seed) {
    *faults = (struct faults){.files = calls, .inner = inner, .disk = disk, .rng = rng_seeded(seed)};
    faults->files.context = faults;
    pthread_mutex_init(&faults->lock, NULL);
}

void faults_fini(struct faults *faults) { pthread_mutex_destroy(&faults->lock); }

void faults_add(struct faults *faults, struct fault fault) {
    pthread_mutex_lock(&faults->lock);
    ASSERT(faults->planned < FAULTS_MAX && fault.first > 0);
    faults->plan[faults->planned] = fault;
    faults->seen[faults->planned++] = 0;
    pthread_mutex_unlock(&faults->lock);
}

void faults_random(struct faults *faults, unsigned random_calls, uint32_t one_in) {
    pthread_mutex_lock(&faults->lock);
    ASSERT(one_in > 0);
    faults->random_calls = random_calls;
    faults->random_one_in = one_in;
    pthread_mutex_unlock(&faults->lock);
}

void faults_clear(struct faults *faults) {
    pthread_mutex_lock(&faults->lock);
    faults->planned = 0;
    faults->random_calls = 0;
    pthread_mutex_unlock(&faults->lock);
}

uint64_t faults_calls(struct faults *faults) {
    pthread_mutex_lock(&faults->lock);
    uint64_t count = faults->calls;
    pthread_mutex_unlock(&faults->lock);
    return count;
}

uint64_t faults_spoiled(struct faults *faults) {
    pthread_mutex_lock(&faults->lock);
    uint64_t count = faults->spoiled;
    pthread_mutex_unlock(&faults->lock);
    return count;
}
