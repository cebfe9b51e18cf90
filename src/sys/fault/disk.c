#include "sys/fault/disk.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/rng.h"

enum change_kind { CHANGE_WRITE, CHANGE_TRUNCATE };

/* Of a file, since its last sync; `size` bytes follow a write. */
struct change {
    enum change_kind kind;
    uint64_t offset; /* of a truncation: the new size */
    uint64_t size;
};

/* What a number that `open` answers stands for. */
struct node {
    bool used;
    uint32_t opens;
    struct buf seen;    /* what is read */
    struct buf kept;    /* what survives for certain */
    struct buf pending; /* struct change and bytes, in order */
    uint64_t reserved;  /* room set aside, from the file's beginning */
};

struct entry {
    char name[FILES_NAME_MAX + 1];
    int node; /* -1: this place is free */
};

/* Of the directory, since its last sync. */
enum { NAME_NEW, NAME_RENAMED, NAME_REMOVED };
struct name_change {
    int kind, node;
    char from[FILES_NAME_MAX + 1], to[FILES_NAME_MAX + 1];
};

struct disk {
    struct files files;
    const struct memory *memory;
    pthread_mutex_t lock;
    struct rng rng;
    uint64_t capacity, changes, cut_at;
    unsigned plants;
    bool is_cut;
    struct node nodes[DISK_FILES_MAX];
    struct entry seen[DISK_FILES_MAX], kept[DISK_FILES_MAX];
    struct buf names; /* struct name_change */
};

static void must(enum status status) { ASSERT(status == STATUS_OK); }

/* --- bytes --- */

static void resize(struct buf *bytes, uint64_t size) {
    if (size > bytes->size) {
        must(buf_reserve(bytes, size - bytes->size));
        memset(bytes->data + bytes->size, 0, size - bytes->size);
    }
    bytes->size = size;
}

static void lay(struct buf *bytes, uint64_t offset, const uint8_t *from, uint64_t size) {
    if (offset + size > bytes->size)
        resize(bytes, offset + size);
    memcpy(bytes->data + offset, from, size);
}

static void note(struct node *node, struct change change, const void *bytes) {
    must(buf_append(&node->pending, &change, sizeof change));
    if (change.kind == CHANGE_WRITE)
        must(buf_append(&node->pending, bytes, change.size));
}

/* Each grain of a write is a coin of its own. */
static void keep_grains(struct node *node, const struct change *change, const uint8_t *bytes, struct rng *rng) {
    for (uint64_t at = 0; at < change->size;) {
        uint64_t place = change->offset + at, part = DISK_GRAIN_SIZE - place % DISK_GRAIN_SIZE;
        if (part > change->size - at)
            part = change->size - at;
        if (rng_below(rng, 2))
            lay(&node->kept, place, bytes + at, part);
        at += part;
    }
}

/* Makes the pending changes durable: all of them, or with `rng` those that the coins choose. Half of the time a cut takes all or none, since
 * coins alone would hardly ever leave a file as it was. */
static void settle(struct node *node, struct rng *rng) {
    uint64_t mood = rng ? rng_below(rng, 4) : 0;
    for (size_t at = 0; at < node->pending.size;) {
        struct change change;
        memcpy(&change, node->pending.data + at, sizeof change);
        const uint8_t *bytes = node->pending.data + at + sizeof change;
        at += sizeof change + (change.kind == CHANGE_WRITE ? change.size : 0);
        if (mood == 1)
            continue;
        if (change.kind == CHANGE_WRITE && mood >= 2)
            keep_grains(node, &change, bytes, rng);
        else if (change.kind == CHANGE_WRITE)
            lay(&node->kept, change.offset, bytes, change.size);
        else if (mood < 2 || rng_below(rng, 2))
            resize(&node->kept, change.offset);
    }
    buf_clear(&node->pending);
}

/* --- names --- */

static struct entry *find(struct entry *entries, const char *name) {
    for (unsigned i = 0; i < DISK_FILES_MAX; i++) {
        if (entries[i].node >= 0 && strcmp(entries[i].name, name) == 0)
            return &entries[i];
    }
    return NULL;
}

static void enter(struct entry *entries, const char *name, int node) {
    struct entry *entry = find(entries, name);
    for (unsigned i = 0; !entry && i < DISK_FILES_MAX; i++) {
        if (entries[i].node < 0)
            entry = &entries[i];
    }
    ASSERT(entry);
    snprintf(entry->name, sizeof entry->name, "%s", name);
    entry->node = node;
}

static void leave(struct entry *entries, const char *name) {
    struct entry *entry = find(entries, name);
    if (entry)
        entry->node = -1;
}

static void apply(struct entry *entries, const struct name_change *change) {
    if (change->kind == NAME_RENAMED || change->kind == NAME_REMOVED)
        leave(entries, change->from);
    if (change->kind != NAME_REMOVED)
        enter(entries, change->to, change->node);
}

static void change_name(struct disk *disk, int kind, int node, const char *from, const char *to) {
    struct name_change change = {.kind = kind, .node = node};
    snprintf(change.from, sizeof change.from, "%s", from);
    snprintf(change.to, sizeof change.to, "%s", to);
    must(buf_append(&disk->names, &change, sizeof change));
    apply(disk->seen, &change);
}

static void settle_names(struct disk *disk, struct rng *rng) {
    uint64_t mood = rng ? rng_below(rng, 4) : 0;
    for (size_t at = 0; at < disk->names.size; at += sizeof(struct name_change)) {
        struct name_change change;
        memcpy(&change, disk->names.data + at, sizeof change);
        if (mood == 0 || (mood >= 2 && rng_below(rng, 2)))
            apply(disk->kept, &change);
    }
    buf_clear(&disk->names);
}

/* --- power and room --- */

static enum status off(void) {
    errno = EIO;
    return STATUS_IO;
}

/* Before each call that changes something: whether the power goes now. The change still happens, as one that a cut may lose. */
static bool goes_now(struct disk *disk) {
    disk->changes++;
    if (disk->cut_at && disk->changes >= disk->cut_at)
        disk->is_cut = true;
    return disk->is_cut;
}

static bool is_named(const struct entry *entries, int node) {
    for (unsigned i = 0; i < DISK_FILES_MAX; i++) {
        if (entries[i].node == node)
            return true;
    }
    return false;
}

static uint64_t taken(const struct disk *disk) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < DISK_FILES_MAX; i++) {
        const struct node *node = &disk->nodes[i];
        if (node->used && (node->opens || is_named(disk->seen, (int)i)))
            sum += node->seen.size > node->reserved ? node->seen.size : node->reserved;
    }
    return sum;
}

static uint64_t room(const struct disk *disk) {
    uint64_t sum = taken(disk);
    return disk->capacity == 0 ? UINT64_MAX / 2 : disk->capacity > sum ? disk->capacity - sum : 0;
}

static enum status no_room(void) {
    errno = ENOSPC;
    return STATUS_FULL;
}

static void node_fini(struct node *node) {
    buf_fini(&node->seen);
    buf_fini(&node->kept);
    buf_fini(&node->pending);
    node->used = false;
}

/* Whether a cut could still bring the file back, or somebody reads it. */
static bool is_needed(const struct disk *disk, int node) {
    if (disk->nodes[node].opens || is_named(disk->seen, node) || is_named(disk->kept, node))
        return true;
    for (size_t at = 0; at < disk->names.size; at += sizeof(struct name_change)) {
        struct name_change change;
        memcpy(&change, disk->names.data + at, sizeof change);
        if (change.node == node)
            return true;
    }
    return false;
}

static int node_new(struct disk *disk) {
    for (int i = 0; i < DISK_FILES_MAX; i++) {
        struct node *node = &disk->nodes[i];
        if (node->used && is_needed(disk, i))
            continue;
        if (node->used)
            node_fini(node);
        *node = (struct node){.used = true};
        buf_init(&node->seen, disk->memory);
        buf_init(&node->kept, disk->memory);
        buf_init(&node->pending, disk->memory);
        return i;
    }
    ASSERT(!"too many files for the disk in memory");
    return -1;
}

/* --- the calls of struct files --- */

static struct disk *begin(void *context) {
    struct disk *disk = context;
    pthread_mutex_lock(&disk->lock);
    return disk;
}

static enum status end(struct disk *disk, enum status status) {
    int error = errno;
    pthread_mutex_unlock(&disk->lock);
    errno = error;
    return status;
}

static struct node *node_of(struct disk *disk, int file) {
    ASSERT(file >= 0 && file < DISK_FILES_MAX);
    return &disk->nodes[file];
}

static enum status locked_open(struct disk *disk, const char *name, enum files_how how, int *ret_file) {
    if (disk->is_cut)
        return off();
    const struct entry *entry = find(disk->seen, name);
    if (how != FILES_NEW && !entry) {
        errno = ENOENT;
        return STATUS_IO;
    }
    if (how != FILES_NEW) {
        disk->nodes[entry->node].opens++;
        *ret_file = entry->node;
        return STATUS_OK;
    }
    if (entry) {
        errno = EEXIST;
        return STATUS_IO;
    }
    if (room(disk) == 0)
        return no_room();
    bool goes = goes_now(disk);
    int node = node_new(disk);
    change_name(disk, NAME_NEW, node, "", name);
    if (goes)
        return off();
    disk->nodes[node].opens = 1;
    *ret_file = node;
    return STATUS_OK;
}

static enum status disk_open(void *context, const char *name, enum files_how how, int *ret_file) {
    struct disk *disk = begin(context);
    return end(disk, locked_open(disk, name, how, ret_file));
}

/* Whoever closes after a restart what he opened before it closes nothing. */
static void disk_close(void *context, int file) {
    struct disk *disk = begin(context);
    if (node_of(disk, file)->opens)
        node_of(disk, file)->opens--;
    (void)end(disk, STATUS_OK);
}

static enum status disk_read(void *context, int file, uint64_t offset, void *ret_bytes, size_t size, size_t *ret_size) {
    struct disk *disk = begin(context);
    if (disk->is_cut)
        return end(disk, off());
    struct slice found = slice_part(buf_slice(&node_of(disk, file)->seen), offset, size);
    if (found.size)
        memcpy(ret_bytes, found.data, found.size);
    *ret_size = found.size;
    return end(disk, STATUS_OK);
}

static enum status locked_write(struct disk *disk, struct node *node, uint64_t offset, const void *bytes, size_t size,
                                size_t *ret_size) {
    uint64_t owned = node->seen.size > node->reserved ? node->seen.size : node->reserved;
    uint64_t most = room(disk) > UINT64_MAX - owned ? UINT64_MAX : owned + room(disk);
    if (disk->is_cut)
        return off();
    if (offset >= most)
        return no_room();
    bool goes = goes_now(disk);
    size = size < most - offset ? size : (size_t)(most - offset);
    lay(&node->seen, offset, bytes, size);
    note(node, (struct change){.kind = CHANGE_WRITE, .offset = offset, .size = size}, bytes);
    if (goes)
        return off();
    *ret_size = size;
    return STATUS_OK;
}

static enum status disk_write(void *context, int file, uint64_t offset, const void *bytes, size_t size,
                              size_t *ret_size) {
    struct disk *disk = begin(context);
    return end(disk, locked_write(disk, node_of(disk, file), offset, bytes, size, ret_size));
}

static enum status disk_reserve(void *context, int file, uint64_t size) {
    struct disk *disk = begin(context);
    struct node *node = node_of(disk, file);
    uint64_t owned = node->seen.size > node->reserved ? node->seen.size : node->reserved;
    if (disk->is_cut)
        return end(disk, off());
    if (size > owned && size - owned > room(disk))
        return end(disk, no_room());
    if (goes_now(disk))
        return end(disk, off());
    if (size > node->reserved)
        node->reserved = size;
    return end(disk, STATUS_OK);
}

static enum status disk_truncate(void *context, int file, uint64_t size) {
    struct disk *disk = begin(context);
    struct node *node = node_of(disk, file);
    if (disk->is_cut)
        return end(disk, off());
    bool goes = goes_now(disk);
    resize(&node->seen, size);
    note(node, (struct change){.kind = CHANGE_TRUNCATE, .offset = size}, NULL);
    node->reserved = 0;
    return end(disk, goes ? off() : STATUS_OK);
}

static enum status disk_size(void *context, int file, uint64_t *ret_size) {
    struct disk *disk = begin(context);
    if (disk->is_cut)
        return end(disk, off());
    *ret_size = node_of(disk, file)->seen.size;
    return end(disk, STATUS_OK);
}

static enum status disk_sync(void *context, int file) {
    struct disk *disk = begin(context);
    if (disk->is_cut || goes_now(disk))
        return end(disk, off());
    if (!(disk->plants & DISK_NO_SYNC))
        settle(node_of(disk, file), NULL);
    return end(disk, STATUS_OK);
}

static enum status disk_sync_directory(void *context) {
    struct disk *disk = begin(context);
    if (disk->is_cut || goes_now(disk))
        return end(disk, off());
    if (!(disk->plants & DISK_NO_DIRECTORY_SYNC))
        settle_names(disk, NULL);
    return end(disk, STATUS_OK);
}

static enum status locked_name(struct disk *disk, int kind, const char *from, const char *to) {
    if (disk->is_cut)
        return off();
    const struct entry *entry = find(disk->seen, from);
    if (!entry) {
        errno = ENOENT;
        return STATUS_IO;
    }
    bool goes = goes_now(disk);
    change_name(disk, kind, entry->node, from, to);
    return goes ? off() : STATUS_OK;
}

static enum status disk_rename(void *context, const char *from, const char *to) {
    struct disk *disk = begin(context);
    return end(disk, locked_name(disk, NAME_RENAMED, from, to));
}

static enum status disk_remove(void *context, const char *name) {
    struct disk *disk = begin(context);
    return end(disk, locked_name(disk, NAME_REMOVED, name, ""));
}

/* Names are copied first: the visitor may look into the files. */
static enum status disk_list(void *context, enum status (*visit)(void *visitor, const char *name), void *visitor) {
    struct disk *disk = begin(context);
    if (disk->is_cut)
        return end(disk, off());
    struct buf names;
    buf_init(&names, disk->memory);
    for (unsigned i = 0; i < DISK_FILES_MAX; i++) {
        if (disk->seen[i].node >= 0)
            must(buf_append(&names, disk->seen[i].name, strlen(disk->seen[i].name) + 1));
    }
    enum status status = end(disk, STATUS_OK);
    for (size_t at = 0; at < names.size && status == STATUS_OK; at += strlen((char *)names.data + at) + 1)
        status = visit(visitor, (char *)names.data + at);
    buf_fini(&names);
    return status;
}

static enum status disk_room(void *context, uint64_t *ret_bytes) {
    struct disk *disk = begin(context);
    if (disk->is_cut)
        return end(disk, off());
    *ret_bytes = room(disk);
    return end(disk, STATUS_OK);
}

static const struct files calls = {
    .open = disk_open,
    .close = disk_close,
    .read = disk_read,
    .write = disk_write,
    .reserve = disk_reserve,
    .truncate = disk_truncate,
    .size = disk_size,
    .sync = disk_sync,
    .sync_directory = disk_sync_directory,
    .rename = disk_rename,
    .remove = disk_remove,
    .list = disk_list,
    .room = disk_room,
};

/* --- for tests --- */

struct disk *disk_new(const struct memory *memory, uint64_t seed, uint64_t capacity_bytes) {
    struct disk *disk = memory_take(memory, sizeof *disk);
    ASSERT(disk);
    memset(disk, 0, sizeof *disk);
    disk->files = calls;
    disk->files.context = disk;
    disk->memory = memory;
    disk->rng = rng_seeded(seed);
    disk->capacity = capacity_bytes;
    for (unsigned i = 0; i < DISK_FILES_MAX; i++)
        disk->seen[i].node = disk->kept[i].node = -1;
    buf_init(&disk->names, memory);
    pthread_mutex_init(&disk->lock, NULL);
    return disk;
}

void disk_free(struct disk *disk) {
    if (!disk)
        return;
    for (unsigned i = 0; i < DISK_FILES_MAX; i++) {
        if (disk->nodes[i].used)
            node_fini(&disk->nodes[i]);
    }
    buf_fini(&disk->names);
    pthread_mutex_destroy(&disk->lock);
    memory_give(disk->memory, disk, sizeof *disk);
}

const struct files *disk_files(struct disk *disk) { return &disk->files; }

void disk_plant(struct disk *disk, unsigned plants) { disk->plants = plants; }

void disk_capacity_set(struct disk *disk, uint64_t capacity_bytes) {
    begin(disk)->capacity = capacity_bytes;
    (void)end(disk, STATUS_OK);
}

void disk_cut_after(struct disk *disk, uint64_t changes) {
    struct disk *locked = begin(disk); /* before anything of it is read */
    locked->cut_at = changes ? locked->changes + changes : 0;
    (void)end(disk, STATUS_OK);
}

bool disk_is_cut(struct disk *disk) {
    bool is_cut = begin(disk)->is_cut;
    (void)end(disk, STATUS_OK);
    return is_cut;
}

uint64_t disk_changes(struct disk *disk) {
    uint64_t changes = begin(disk)->changes;
    (void)end(disk, STATUS_OK);
    return changes;
}

void disk_restart(struct disk *disk) {
    begin(disk);
    settle_names(disk, &disk->rng);
    memcpy(disk->seen, disk->kept, sizeof disk->seen);
    for (int i = 0; i < DISK_FILES_MAX; i++) {
        struct node *node = &disk->nodes[i];
        if (!node->used)
            continue;
        if (!is_named(disk->seen, i)) {
            node_fini(node);
            continue;
        }
        node->opens = 0;
        settle(node, &disk->rng);
        buf_clear(&node->seen);
        must(buf_append_slice(&node->seen, buf_slice(&node->kept)));
        node->reserved = 0;
    }
    disk->is_cut = false;
    disk->cut_at = 0;
    (void)end(disk, STATUS_OK);
}

void disk_lose_unsynced(struct disk *disk, int file) {
    begin(disk);
    buf_clear(&node_of(disk, file)->pending);
    (void)end(disk, STATUS_OK);
}

struct slice disk_contents(struct disk *disk, const char *name) {
    const struct entry *entry = find(begin(disk)->seen, name);
    struct slice found = entry ? buf_slice(&disk->nodes[entry->node].seen) : slice_make(NULL, 0);
    (void)end(disk, STATUS_OK);
    return found;
}

void disk_put(struct disk *disk, const char *name, struct slice bytes) {
    begin(disk);
    struct entry *entry = find(disk->seen, name);
    int at = entry ? entry->node : node_new(disk);
    struct node *node = &disk->nodes[at];
    buf_clear(&node->pending);
    resize(&node->seen, 0);
    resize(&node->kept, 0);
    must(buf_append_slice(&node->seen, bytes));
    must(buf_append_slice(&node->kept, bytes));
    enter(disk->seen, name, at);
    enter(disk->kept, name, at);
    (void)end(disk, STATUS_OK);
}
