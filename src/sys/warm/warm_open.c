/* Opening: the file is begun, or its segments are looked through for what a restart can use. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "sys/os/random.h"
#include "sys/warm/warm_inner.h"

static enum status explain(struct warm_report *report, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static enum status explain(struct warm_report *report, enum status status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(report->reason, sizeof report->reason, format, arguments);
    va_end(arguments);
    return status;
}

static enum status failed(const struct warm *warm, struct warm_report *report, enum status status, const char *what) {
    const char *why = status == STATUS_IO && errno ? strerror(errno)
                      : status == STATUS_FULL      ? "no room"
                                                   : status_text(status);
    return explain(report, status, "%s: %s: %s", warm->name, what, why);
}

/* --- the file --- */

/* The header's block lies in index_bytes. */
static enum status write_header(struct warm *warm, uint32_t segment_size) {
    struct warm_file_header header = {.id = warm->id, .word = warm->word, .segment_size = segment_size};
    memset(warm->index_bytes, 0, WARM_BLOCK_SIZE);
    warm_file_header_encode(&header, warm->index_bytes);
    return files_write(warm->files, warm->file, 0, warm->index_bytes, WARM_BLOCK_SIZE);
}

/* Under another name until its header is durable, so that a file with the final name has one. */
static enum status begin(struct warm *warm, struct warm_report *report) {
    const struct files *files = warm->files;
    char making[WARM_NAME_MAX + 8];
    snprintf(making, sizeof making, "%s.new", warm->name);
    enum status status = files->remove(files->context, making);
    if (status != STATUS_OK && files_cause(errno) != FILES_ABSENT)
        return failed(warm, report, status, "removing the rest of an earlier attempt");
    status = files->open(files->context, making, FILES_NEW, &warm->file);
    if (status != STATUS_OK)
        return failed(warm, report, status, "making the file");
    status = write_header(warm, warm->segment_size);
    if (status == STATUS_OK)
        status = files->sync(files->context, warm->file);
    files->close(files->context, warm->file);
    warm->file = -1;
    if (status == STATUS_OK)
        status = files->rename(files->context, making, warm->name);
    if (status == STATUS_OK)
        status = files->sync_directory(files->context);
    if (status != STATUS_OK) {
        int error = errno;
        enum status removed = files->remove(files->context, making);
        MAYBE(removed != STATUS_OK);
        errno = error;
        return failed(warm, report, status, "making the file");
    }
    return STATUS_OK;
}

/* Past the page cache if the file system can do that: it says so when it opens the file, or at the first read. */
static enum status open_file(struct warm *warm, bool buffered) {
    const struct files *files = warm->files;
    warm->direct = !buffered;
    if (warm->direct && files->open(files->context, warm->name, FILES_DIRECT, &warm->file) == STATUS_OK) {
        size_t size;
        if (files->read(files->context, warm->file, 0, warm->index_bytes, WARM_BLOCK_SIZE, &size) == STATUS_OK ||
            errno != EINVAL)
            return STATUS_OK;
        files->close(files->context, warm->file);
        warm->file = -1;
    } else if (warm->direct && errno != EINVAL) {
        return STATUS_IO;
    }
    warm->direct = false;
    return files->open(files->context, warm->name, FILES_WRITE, &warm->file);
}

/* STATUS_CORRUPT, STATUS_INVALID: not a file that these options can go on with. */
static enum status read_header(struct warm *warm, struct warm_report *report) {
    struct warm_file_header header;
    uint32_t version;
    enum status status = files_read(warm->files, warm->file, 0, warm->index_bytes, WARM_BLOCK_SIZE);
    if (status == STATUS_OK)
        status = warm_file_header_decode(warm->index_bytes, &header, &version);
    if (status == STATUS_CORRUPT)
        return explain(report, status, "%s: offset 0: this is no header of a warm tier, or it is damaged", warm->name);
    if (status == STATUS_INVALID)
        return explain(report, status, "%s: offset 8: version %" PRIu32 ", and this program knows %d", warm->name,
                       version, WARM_VERSION);
    if (status != STATUS_OK)
        return failed(warm, report, status, "reading the header");
    if (header.segment_size != warm->segment_size)
        return explain(report, STATUS_INVALID, "%s: offset 24: its segments have %" PRIu32 " bytes, not %" PRIu32,
                       warm->name, header.segment_size, warm->segment_size);
    warm->id = header.id;
    warm->word = header.word;
    return STATUS_OK;
}

/* Exactly its size, with its room set aside: what is refused now is not refused in the midst of serving. */
static enum status set_size(struct warm *warm, struct warm_report *report) {
    const struct files *files = warm->files;
    uint64_t wanted = file_offset(slot_position(warm, warm->slots_count)), size;
    enum status status = files->size(files->context, warm->file, &size);
    /* First, as it may say no; and again, since cutting may have given it back. */
    if (status == STATUS_OK)
        status = files->reserve(files->context, warm->file, wanted);
    if (status == STATUS_OK && size != wanted) {
        status = files->truncate(files->context, warm->file, wanted);
        if (status == STATUS_OK)
            status = files->reserve(files->context, warm->file, wanted);
    }
    return status == STATUS_OK ? STATUS_OK : failed(warm, report, status, "setting its room aside");
}

/* What cannot be mapped is read by calls. */
static enum status map_file(struct warm *warm, struct warm_report *report) {
    if (!warm->files->is_kernel)
        return STATUS_OK;
    uint64_t size = file_offset(slot_position(warm, warm->slots_count));
    if (file_map_open(warm->file, size, warm->memory, &warm->map) == STATUS_NO_MEMORY)
        return explain(report, STATUS_NO_MEMORY, "%s: out of memory", warm->name);
    warm->statistics.mapped = warm->map.bytes != NULL;
    return STATUS_OK;
}

static enum status open_or_begin(struct warm *warm, const struct warm_options *options, struct warm_report *report) {
    enum status status = open_file(warm, options->buffered || options->mapped);
    if (status != STATUS_OK && files_cause(errno) != FILES_ABSENT)
        return failed(warm, report, status, "opening the file");
    bool is_there = status == STATUS_OK;
    if (is_there) {
        status = read_header(warm, report);
        if ((status != STATUS_CORRUPT && status != STATUS_INVALID) || !options->begin_anew)
            return status;
        warm->files->close(warm->files->context, warm->file);
        warm->file = -1;
        report->reason[0] = 0;
    }
    TRY(begin(warm, report));
    status = open_file(warm, options->buffered || options->mapped);
    return status == STATUS_OK ? STATUS_OK : failed(warm, report, status, "opening the file");
}

/* --- its segments --- */

struct found {
    uint32_t slot;
    struct warm_segment_header header;
};

/* The headers of all slots first; then, in the order of their generations, the indexes. */
static uint32_t survey(struct warm *warm, struct found *ret_found, struct warm_report *report) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < warm->slots_count; i++) {
        enum status status = warm_header_load(warm, i, &ret_found[count].header);
        if (status == STATUS_OK) {
            ret_found[count++].slot = i;
        } else if (status != STATUS_CORRUPT) {
            warm_tell(warm, WARM_READ_FAILED, file_offset(slot_position(warm, i)), errno);
            report->segments_skipped++;
        }
    }
    return count;
}

static int by_generation(const void *a, const void *b) {
    uint64_t x = ((const struct found *)a)->header.generation, y = ((const struct found *)b)->header.generation;
    return (x > y) - (x < y);
}

static enum status visit(struct warm *warm, uint32_t slot, struct slice index, const struct warm_visitor *visitor) {
    for (uint32_t i = 0; visitor && i < warm->slots[slot].count; i++) {
        struct warm_item item;
        warm_item_of(warm, slot, index.data + index.size, i, &item);
        TRY(visitor->found(visitor->context, &item));
    }
    return STATUS_OK;
}

/* One slot that has a header. A generation that is there twice was copied by somebody; one of them is enough. */
static enum status take_in(struct warm *warm, const struct found *found, const struct warm_visitor *visitor,
                           struct warm_report *report) {
    const struct warm_segment_header *header = &found->header;
    struct warm_slot *slot = &warm->slots[found->slot];
    uint64_t position = slot_position(warm, found->slot);
    struct slice index;
    enum status status = header->generation < warm->next_generation
                             ? STATUS_CORRUPT
                             : warm_index_load(warm, found->slot, header, &index);
    if (status != STATUS_OK) {
        bool is_damaged = status == STATUS_CORRUPT;
        warm_tell(warm, is_damaged ? WARM_INDEX_DAMAGED : WARM_READ_FAILED, file_offset(position),
                  is_damaged ? 0 : errno);
        report->segments_skipped++;
        return STATUS_OK;
    }
    warm->next_generation = header->generation + 1;
    slot->seed = warm_segment_seed(warm->id, position, header->generation, header->salt);
    slot->count = header->count;
    slot->records_size = header->records_size;
    slot->state = SLOT_STORED;
    atomic_store(&slot->generation, header->generation);
    slot_push(warm, &warm->stored, found->slot);
    warm->statistics.segments_used++;
    warm->statistics.records += slot->count;
    warm->statistics.used_bytes += slot->records_size;
    report->segments++;
    report->records += slot->count;
    if (warm->lasting)
        TRY(warm_note_moves(warm, found->slot, index));
    return visit(warm, found->slot, index, visitor);
}

static enum status recover(struct warm *warm, const struct warm_visitor *visitor, struct warm_report *report) {
    size_t size = warm->slots_count * sizeof(struct found);
    struct found *found = memory_take(warm->memory, size);
    if (!found)
        return explain(report, STATUS_NO_MEMORY, "%s: out of memory", warm->name);
    uint32_t count = survey(warm, found, report);
    qsort(found, count, sizeof *found, by_generation);
    uint64_t last = count ? found[count - 1].header.generation : 0;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++)
        status = take_in(warm, &found[i], visitor, report);
    memory_give(warm->memory, found, size);
    if (status != STATUS_OK)
        return explain(report, status, "%s: what was found was refused: %s", warm->name, status_text(status));
    if (warm->lasting && warm_sort_moves(warm) != STATUS_OK)
        return explain(report, STATUS_NO_MEMORY, "%s: out of memory", warm->name);
    warm->next_generation = last + 1;
    warm->found_generation = last;
    warm->taking = warm->lasting;
    for (uint32_t i = 0; i < warm->slots_count; i++) {
        if (warm->slots[i].state == SLOT_FREE)
            slot_push(warm, &warm->free, i);
    }
    warm_note_pressure(warm);
    return STATUS_OK;
}

/* --- the store --- */

static bool options_are_right(const struct warm_options *options, uint32_t segment_size) {
    const char *name = options->name ? options->name : "";
    return bits_is_power_of_two(segment_size) && segment_size >= WARM_SEGMENT_SIZE_MIN &&
           segment_size <= WARM_SEGMENT_SIZE_MAX && options->size_bytes / segment_size >= WARM_SEGMENTS_MIN &&
           options->size_bytes <= WARM_SIZE_MAX && options->keep_percent <= WARM_KEEP_PERCENT_MAX &&
           options->buffers <= WARM_BUFFERS_MAX && options->buffers != 1 && strlen(name) <= WARM_NAME_MAX &&
           !strchr(name, '/');
}

/* Buffers, then the index, then the segment that is reclaimed, in one allocation that has a block more than they need. */
static enum status lay_out(struct warm *warm) {
    warm->slots = memory_take(warm->memory, warm->slots_count * sizeof *warm->slots);
    size_t size = (size_t)(warm->buffers_count + 2) * warm->segment_size + WARM_BLOCK_SIZE;
    warm->blocks = memory_take(warm->memory, size);
    warm->blocks_size = size;
    if (!warm->slots || !warm->blocks)
        return STATUS_NO_MEMORY;
    memset(warm->slots, 0, warm->slots_count * sizeof *warm->slots);
    for (uint32_t i = 0; i < warm->slots_count; i++)
        warm->slots[i].buffer = BUFFER_NONE;
    uint8_t *at = (uint8_t *)bits_align_up((uintptr_t)warm->blocks, WARM_BLOCK_SIZE);
    for (uint32_t i = 0; i < warm->buffers_count; i++, at += warm->segment_size)
        warm->buffers[i] = (struct warm_buffer){.bytes = at, .slot = SLOT_NONE};
    warm->index_bytes = at;
    warm->segment_bytes = at + warm->segment_size;
    return STATUS_OK;
}

static void set_up(struct warm *warm, const struct files *files, const struct warm_options *options,
                   uint32_t segment_size, uint64_t now_ns) {
    uint32_t buffers = options->buffers ? options->buffers : WARM_BUFFERS_DEFAULT;
    uint32_t slots = (uint32_t)(options->size_bytes / segment_size);
    *warm = (struct warm){
        .files = files,
        .memory = options->memory ? options->memory : &memory_libc,
        .hooks = options->hooks,
        .file = -1,
        .stepped = options->stepped,
        .lasting = options->lasting,
        .word = options->word,
        .segment_size = segment_size,
        .slots_count = slots,
        .buffers_count = buffers < slots / 2 ? buffers : slots / 2,
        .keep_max = (uint32_t)((uint64_t)segment_size * options->keep_percent / 100),
        .open = BUFFER_NONE,
        .next_generation = 1,
        .salts = rng_seeded(options->seed ? options->seed : random_u64()),
        .statistics.segments = slots,
    };
    snprintf(warm->name, sizeof warm->name, "%s", options->name ? options->name : "warm");
    warm->id = rng_next(&warm->salts) | 1;
    budget_init(&warm->budget, options->write_rate_bytes, segment_size, now_ns);
    pthread_mutex_init(&warm->lock, NULL);
    pthread_cond_init(&warm->work, NULL);
    pthread_cond_init(&warm->settled, NULL);
}

static enum status open_all(struct warm *warm, const struct warm_options *options, const struct warm_visitor *visitor,
                            struct warm_report *report) {
    if (lay_out(warm) != STATUS_OK)
        return explain(report, STATUS_NO_MEMORY, "%s: out of memory", warm->name);
    TRY(open_or_begin(warm, options, report));
    TRY(set_size(warm, report));
    if (options->mapped)
        TRY(map_file(warm, report));
    TRY(recover(warm, visitor, report));
    warm->statistics.direct = warm->direct;
    enum status status = warm_start(warm);
    return status == STATUS_OK ? STATUS_OK : failed(warm, report, status, "starting a thread");
}

enum status warm_open(const struct files *files, const struct warm_options *options, uint64_t now_ns,
                      const struct warm_visitor *visitor, struct warm_report *ret_report, struct warm **ret_warm) {
    *ret_report = (struct warm_report){0};
    uint32_t segment_size = options->segment_bytes ? options->segment_bytes : WARM_SEGMENT_SIZE_DEFAULT;
    if (!options_are_right(options, segment_size))
        return explain(ret_report, STATUS_INVALID, "the sizes asked for cannot be those of a warm tier");
    const struct memory *memory = options->memory ? options->memory : &memory_libc;
    struct warm *warm = memory_take(memory, sizeof *warm);
    if (!warm)
        return explain(ret_report, STATUS_NO_MEMORY, "out of memory");
    set_up(warm, files, options, segment_size, now_ns);
    enum status status = open_all(warm, options, visitor, ret_report);
    if (status != STATUS_OK) {
        warm_free(warm);
        return status;
    }
    *ret_warm = warm;
    return STATUS_OK;
}
