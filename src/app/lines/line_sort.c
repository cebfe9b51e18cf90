#include "app/lines/line_sort.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { HEAD_SIZE = 12, READ_SIZE = 64 * 1024, FOLDER_MAX = 4096 };

/* In memory and in the file:  key size 4 | line size 8 | key | line */
struct line_sort {
    char folder[FOLDER_MAX];
    size_t memory_bytes;
    struct buf bytes, places; /* places: size_t, of each line in `bytes` */
    int file;                 /* -1: there is none */
    uint64_t file_size;
    struct buf runs; /* uint64_t: where each begins in the file */
};

static uint32_t key_size(const uint8_t *line) {
    uint32_t size;
    memcpy(&size, line, sizeof size);
    return size;
}

static uint64_t line_size(const uint8_t *line) {
    uint64_t size;
    memcpy(&size, line + sizeof(uint32_t), sizeof size);
    return size;
}

static struct slice key_of(const uint8_t *line) { return slice_make(line + HEAD_SIZE, key_size(line)); }

static int compare(struct slice a, struct slice b) {
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size ? memcmp(a.data, b.data, size) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* ------------------------------------------------------------------------------------------ in memory */

static int by_key(const void *a, const void *b, void *bytes) {
    const size_t *one = a, *other = b;
    int order = compare(key_of((uint8_t *)bytes + *one), key_of((uint8_t *)bytes + *other));
    return order ? order : (*one < *other) - (*one > *other); /* the last one added first */
}

static size_t place_count(const struct line_sort *sort) { return sort->places.size / sizeof(size_t); }

static const uint8_t *place(const struct line_sort *sort, size_t index) {
    return sort->bytes.data + ((const size_t *)(const void *)sort->places.data)[index];
}

static void sort_places(struct line_sort *sort) {
    if (sort->places.size)
        qsort_r(sort->places.data, place_count(sort), sizeof(size_t), by_key, sort->bytes.data);
}

static bool is_same_as_before(const struct line_sort *sort, size_t index) {
    return index && compare(key_of(place(sort, index - 1)), key_of(place(sort, index))) == 0;
}

enum status line_sort_new(const char *folder, size_t memory_bytes, struct line_sort **ret_sort) {
    struct line_sort *sort = memory_take(&memory_libc, sizeof *sort);
    if (!sort)
        return STATUS_NO_MEMORY;
    *sort = (struct line_sort){.memory_bytes = memory_bytes, .file = -1};
    snprintf(sort->folder, sizeof sort->folder, "%s", folder);
    buf_init(&sort->bytes, &memory_libc);
    buf_init(&sort->places, &memory_libc);
    buf_init(&sort->runs, &memory_libc);
    *ret_sort = sort;
    return STATUS_OK;
}

void line_sort_free(struct line_sort *sort) {
    if (!sort)
        return;
    if (sort->file >= 0)
        close(sort->file);
    buf_fini(&sort->bytes);
    buf_fini(&sort->places);
    buf_fini(&sort->runs);
    memory_give(&memory_libc, sort, sizeof *sort);
}

/* ------------------------------------------------------------------------------------------ to the file */

static enum status open_file(struct line_sort *sort) {
    char path[FOLDER_MAX + 32];
    sort->file = open(sort->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (sort->file >= 0)
        return STATUS_OK;
    /* Not every file system knows files without a name. */
    snprintf(path, sizeof path, "%s/strata-export-XXXXXX", sort->folder);
    sort->file = mkostemp(path, O_CLOEXEC);
    return sort->file >= 0 && unlink(path) == 0 ? STATUS_OK : STATUS_IO;
}

static enum status write_file(struct line_sort *sort, struct slice bytes) {
    while (bytes.size) {
        ssize_t size = pwrite(sort->file, bytes.data, bytes.size, (off_t)sort->file_size);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return STATUS_IO;
        sort->file_size += (uint64_t)size;
        bytes = slice_part(bytes, (size_t)size, SIZE_MAX);
    }
    return STATUS_OK;
}

/* Pieces of some size, so that a line does not take a call of its own. */
static enum status spill(struct line_sort *sort) {
    struct buf piece;
    enum status status = sort->file < 0 ? open_file(sort) : STATUS_OK;
    buf_init(&piece, &memory_libc);
    sort_places(sort);
    if (status == STATUS_OK)
        status = buf_append(&sort->runs, &sort->file_size, sizeof sort->file_size);
    for (size_t i = 0; i < place_count(sort) && status == STATUS_OK; i++) {
        const uint8_t *line = place(sort, i);
        struct slice whole = slice_make(line, HEAD_SIZE + key_size(line) + line_size(line));
        if (is_same_as_before(sort, i))
            continue;
        if (piece.size + whole.size > READ_SIZE) {
            status = write_file(sort, buf_slice(&piece));
            buf_clear(&piece);
        }
        if (status == STATUS_OK)
            status = whole.size > READ_SIZE ? write_file(sort, whole) : buf_append_slice(&piece, whole);
    }
    if (status == STATUS_OK)
        status = write_file(sort, buf_slice(&piece));
    buf_fini(&piece);
    buf_clear(&sort->bytes);
    buf_shrink(&sort->bytes, sort->memory_bytes);
    buf_clear(&sort->places);
    return status;
}

enum status line_sort_add(struct line_sort *sort, struct slice key, struct slice line) {
    uint8_t head[HEAD_SIZE];
    uint32_t key_bytes = (uint32_t)key.size;
    uint64_t line_bytes = line.size;
    size_t at = sort->bytes.size;
    memcpy(head, &key_bytes, sizeof key_bytes);
    memcpy(head + sizeof key_bytes, &line_bytes, sizeof line_bytes);
    TRY(buf_append(&sort->places, &at, sizeof at));
    TRY(buf_append(&sort->bytes, head, sizeof head));
    TRY(buf_append_slice(&sort->bytes, key));
    TRY(buf_append_slice(&sort->bytes, line));
    return sort->bytes.size + sort->places.size < sort->memory_bytes ? STATUS_OK : spill(sort);
}

/* ------------------------------------------------------------------------------------------ together again */

/* What is being read of a run. */
struct run {
    uint64_t at, end; /* of what was not read yet */
    uint32_t number;  /* later ones are younger */
    struct buf bytes;
    size_t used;
};

static enum status read_more(const struct line_sort *sort, struct run *run, size_t wanted) {
    buf_consume(&run->bytes, run->used);
    run->used = 0;
    TRY(buf_reserve(&run->bytes, wanted > READ_SIZE ? wanted : READ_SIZE));
    while (run->bytes.size < wanted && run->at < run->end) {
        size_t room = run->bytes.capacity - run->bytes.size;
        uint64_t left = run->end - run->at;
        ssize_t size =
            pread(sort->file, run->bytes.data + run->bytes.size, left < room ? (size_t)left : room, (off_t)run->at);
        if (size < 0 && errno == EINTR)
            continue;
        if (size <= 0)
            return STATUS_IO;
        run->bytes.size += (size_t)size;
        run->at += (uint64_t)size;
    }
    return run->bytes.size >= wanted ? STATUS_OK : STATUS_CLOSED;
}

static const uint8_t *front(const struct run *run) { return run->bytes.data + run->used; }

/* Head and key of the next line are there afterwards. STATUS_CLOSED: there is none. */
static enum status look(const struct line_sort *sort, struct run *run) {
    if (run->bytes.size - run->used < HEAD_SIZE)
        TRY(read_more(sort, run, HEAD_SIZE));
    size_t wanted = HEAD_SIZE + key_size(front(run));
    return run->bytes.size - run->used < wanted ? read_more(sort, run, wanted) : STATUS_OK;
}

static enum status put(FILE *to, struct slice bytes) {
    return fwrite(bytes.data, 1, bytes.size, to) == bytes.size ? STATUS_OK : STATUS_IO;
}

/* Passes by the next line; `to` gets it piece by piece, or NULL. */
static enum status take(const struct line_sort *sort, struct run *run, FILE *to) {
    uint64_t left = line_size(front(run));
    run->used += HEAD_SIZE + key_size(front(run));
    while (left) {
        size_t there = run->bytes.size - run->used, size = left < there ? (size_t)left : there;
        if (to)
            TRY(put(to, slice_make(front(run), size)));
        run->used += size;
        left -= size;
        if (left)
            TRY(read_more(sort, run, 1));
    }
    return look(sort, run);
}

/* The younger of two with the same key first. */
static bool comes_before(const struct run *a, const struct run *b) {
    int order = compare(key_of(front(a)), key_of(front(b)));
    return order < 0 || (order == 0 && a->number > b->number);
}

static void sink(struct run **heap, size_t count, size_t at) {
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < count; child++)
            if (comes_before(heap[child], heap[least]))
                least = child;
        if (least == at)
            return;
        struct run *run = heap[at];
        heap[at] = heap[least];
        heap[least] = run;
        at = least;
    }
}

static enum status merge(const struct line_sort *sort, struct run **heap, size_t count, FILE *to, uint64_t *ret_count) {
    struct buf last; /* a key; the first byte says that there is one */
    enum status status = STATUS_OK;
    buf_init(&last, &memory_libc);
    for (size_t i = count; i-- > 0;)
        sink(heap, count, i);
    while (count && status == STATUS_OK) {
        struct slice key = key_of(front(heap[0]));
        bool again = last.size && slice_equal(key, slice_part(buf_slice(&last), 1, SIZE_MAX));
        if (!again) {
            buf_clear(&last);
            status = buf_append(&last, "k", 1);
            if (status == STATUS_OK)
                status = buf_append_slice(&last, key);
            ++*ret_count;
        }
        if (status == STATUS_OK)
            status = take(sort, heap[0], again ? NULL : to);
        if (status == STATUS_CLOSED) {
            heap[0] = heap[--count];
            status = STATUS_OK;
        }
        sink(heap, count, 0);
    }
    buf_fini(&last);
    return status;
}

static enum status merge_runs(struct line_sort *sort, FILE *to, uint64_t *ret_count) {
    const uint64_t *begins = (const uint64_t *)(const void *)sort->runs.data;
    size_t count = sort->runs.size / sizeof *begins;
    struct run *runs = calloc(count, sizeof *runs), **heap = calloc(count, sizeof(struct run *));
    enum status status = runs && heap ? STATUS_OK : STATUS_NO_MEMORY;
    size_t ready = 0;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        runs[i] = (struct run){begins[i], i + 1 < count ? begins[i + 1] : sort->file_size, (uint32_t)i, {0}, 0};
        buf_init(&runs[i].bytes, &memory_libc);
        heap[ready++] = &runs[i];
        status = look(sort, &runs[i]);
    }
    if (status == STATUS_OK)
        status = merge(sort, heap, ready, to, ret_count);
    for (size_t i = 0; i < count && runs; i++)
        if (runs[i].bytes.memory)
            buf_fini(&runs[i].bytes);
    free(runs);
    free(heap);
    return status;
}

enum status line_sort_finish(struct line_sort *sort, FILE *to, uint64_t *ret_count) {
    *ret_count = 0;
    if (sort->file >= 0) {
        if (sort->places.size)
            TRY(spill(sort));
        buf_fini(&sort->bytes);
        return merge_runs(sort, to, ret_count);
    }
    sort_places(sort);
    for (size_t i = 0; i < place_count(sort); i++) {
        const uint8_t *line = place(sort, i);
        if (is_same_as_before(sort, i))
            continue;
        TRY(put(to, slice_make(line + HEAD_SIZE + key_size(line), line_size(line))));
        ++*ret_count;
    }
    return STATUS_OK;
}
