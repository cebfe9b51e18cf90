/* app/persist/backup.c: copies of the snapshot and the log in a directory of their own, each whole enough to start a server on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "app/persist/persist_inner.h"
#include "base/assert.h"
#include "base/buf.h"
#include "sys/os/clock.h"
#include "sys/os/log.h"

enum {
    COPY_SIZE = 256 * 1024,
    NAME_SIZE = sizeof "backup-20260101-000000",
    COPY_TRIES = 5, /* the log begins a new file while it is copied */
    LOOK_EVERY_MS = 1000,
};

#define PART ".part"

/* The time in the name, so that names are in the order of time. */
static void name_of(time_t at, char ret_name[NAME_SIZE]) {
    struct tm parts;
    gmtime_r(&at, &parts);
    size_t size = strftime(ret_name, NAME_SIZE, "backup-%Y%m%d-%H%M%S", &parts);
    ASSERT(size == NAME_SIZE - 1);
}

static bool is_backup(const char *name) {
    static const char form[] = "backup-########-######";
    if (strlen(name) != sizeof form - 1)
        return false;
    for (size_t i = 0; i < sizeof form - 1; i++)
        if (form[i] == '#' ? name[i] < '0' || name[i] > '9' : name[i] != form[i])
            return false;
    return true;
}

/* ------------------------------------------------------------------------------------------ lists of names */

/* Names of FILES_NAME_MAX + 1 bytes. */
struct names {
    struct buf bytes;
    bool (*wanted)(const char *name);
};

static enum status add_name(void *visitor, const char *name) {
    struct names *names = visitor;
    char padded[FILES_NAME_MAX + 1] = {0};
    if (!names->wanted(name))
        return STATUS_OK;
    snprintf(padded, sizeof padded, "%s", name);
    return buf_append(&names->bytes, padded, sizeof padded);
}

static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static uint32_t name_count(const struct names *names) { return (uint32_t)(names->bytes.size / (FILES_NAME_MAX + 1)); }
static const char *name_at(const struct names *names, uint32_t at) {
    return (const char *)names->bytes.data + (size_t)at * (FILES_NAME_MAX + 1);
}

/* In their order; buf_fini(&names.bytes) afterwards, whatever the answer. */
static enum status list_names(const struct files *files, bool (*wanted)(const char *name), struct names *ret_names) {
    ret_names->wanted = wanted;
    buf_init(&ret_names->bytes, &memory_libc);
    TRY(files->list(files->context, add_name, ret_names));
    if (ret_names->bytes.size)
        qsort(ret_names->bytes.data, name_count(ret_names), FILES_NAME_MAX + 1, by_name);
    return STATUS_OK;
}

static bool is_log(const char *name) { return strncmp(name, "log-", 4) == 0 && strlen(name) == 14; }
static bool is_any(const char *name) { return name[0] != 0; }
static bool is_part(const char *name) {
    char whole[NAME_SIZE];
    if (strlen(name) != NAME_SIZE - 1 + sizeof PART - 1 || strcmp(name + NAME_SIZE - 1, PART) != 0)
        return false;
    snprintf(whole, sizeof whole, "%.*s", NAME_SIZE - 1, name);
    return is_backup(whole);
}

/* ------------------------------------------------------------------------------------------ copying */

static enum status copy_bytes(const struct files *from, int source, const struct files *to, int target,
                              uint8_t *bytes) {
    size_t size = COPY_SIZE;
    for (uint64_t at = 0; size == COPY_SIZE; at += size) {
        TRY(from->read(from->context, source, at, bytes, COPY_SIZE, &size));
        TRY(files_write(to, target, at, bytes, size));
    }
    return to->sync(to->context, target);
}

/* Replaces what an earlier try has copied. */
static enum status copy_file(const struct files *from, const struct files *to, const char *name) {
    uint8_t *bytes = memory_take(&memory_libc, COPY_SIZE);
    int source, target;
    if (!bytes)
        return STATUS_NO_MEMORY;
    MAYBE(to->remove(to->context, name) != STATUS_OK);
    enum status status = from->open(from->context, name, FILES_READ, &source);
    if (status == STATUS_OK) {
        status = to->open(to->context, name, FILES_NEW, &target);
        if (status == STATUS_OK) {
            status = copy_bytes(from, source, to, target, bytes);
            to->close(to->context, target);
        }
        from->close(from->context, source);
    }
    memory_give(&memory_libc, bytes, COPY_SIZE);
    return status;
}

static enum status copy_log(const struct files *from, const struct files *to, char ret_last[FILES_NAME_MAX + 1]) {
    struct names names;
    enum status status = list_names(from, is_log, &names);
    ret_last[0] = 0;
    for (uint32_t i = 0; status == STATUS_OK && i < name_count(&names); i++) {
        status = copy_file(from, to, name_at(&names, i));
        snprintf(ret_last, FILES_NAME_MAX + 1, "%s", name_at(&names, i));
    }
    buf_fini(&names.bytes);
    return status;
}

/* The last file is copied as far as it is written. Where another was begun meanwhile the one before has grown, and says that it is followed: once more. */
static enum status copy_all(const struct persist *persist, const struct files *to) {
    const struct files *from = persist->options.files;
    char snapshot[FILES_NAME_MAX + 1], last[FILES_NAME_MAX + 1], now[FILES_NAME_MAX + 1] = "";
    snprintf(snapshot, sizeof snapshot, "snapshot-%010llu", (unsigned long long)persist->number);
    if (persist->number)
        TRY(copy_file(from, to, snapshot));
    for (int i = 0; i < COPY_TRIES; i++) {
        struct names names;
        TRY(copy_log(from, to, last));
        enum status status = list_names(from, is_log, &names);
        if (status == STATUS_OK && name_count(&names))
            snprintf(now, sizeof now, "%s", name_at(&names, name_count(&names) - 1));
        buf_fini(&names.bytes);
        TRY(status);
        if (strcmp(last, now) == 0)
            return to->sync_directory(to->context);
    }
    return STATUS_BUSY;
}

/* ------------------------------------------------------------------------------------------ backups */

static void path_of(const char *folder, const char *name, const char *suffix, char *ret_path, size_t size) {
    snprintf(ret_path, size, "%s/%s%s", folder, name, suffix);
}

static void remove_backup(const struct persist *persist, const char *folder, const char *name) {
    char path[PERSIST_PATH_MAX + FILES_NAME_MAX + 2];
    struct directory directory;
    struct names names;
    path_of(folder, name, "", path, sizeof path);
    if (directory_open(path, false, &directory) != STATUS_OK)
        return;
    if (list_names(&directory.files, is_any, &names) == STATUS_OK)
        for (uint32_t i = 0; i < name_count(&names); i++)
            MAYBE(directory.files.remove(directory.files.context, name_at(&names, i)) != STATUS_OK);
    buf_fini(&names.bytes);
    directory_close(&directory);
    if (directory_remove(path) != STATUS_OK)
        persist_say(persist, LOG_WARNING, "The old backup %s cannot be removed: %s", path, strerror(errno));
}

/* Those that are too many, the oldest first; and what was begun and never ended. */
static void remove_old(const struct persist *persist, const struct directory *parent, const char *folder,
                       uint32_t kept) {
    struct names names;
    if (list_names(&parent->files, is_backup, &names) == STATUS_OK)
        for (uint32_t i = 0; i + kept < name_count(&names); i++)
            remove_backup(persist, folder, name_at(&names, i));
    buf_fini(&names.bytes);
    if (list_names(&parent->files, is_part, &names) == STATUS_OK)
        for (uint32_t i = 0; i < name_count(&names); i++)
            remove_backup(persist, folder, name_at(&names, i));
    buf_fini(&names.bytes);
}

static enum status make_one(const struct persist *persist, const struct directory *parent, const char *folder,
                            const char *name) {
    char path[PERSIST_PATH_MAX + FILES_NAME_MAX + 2], part[FILES_NAME_MAX + 1];
    struct directory directory;
    snprintf(part, sizeof part, "%s" PART, name);
    path_of(folder, part, "", path, sizeof path);
    TRY(directory_open(path, true, &directory));
    enum status status = copy_all(persist, &directory.files);
    directory_close(&directory);
    if (status == STATUS_OK)
        status = parent->files.rename(parent->files.context, part, name);
    return status == STATUS_OK ? parent->files.sync_directory(parent->files.context) : status;
}

static void note_backup(struct persist *persist, enum status status) {
    pthread_mutex_lock(&persist->lock);
    persist->facts.last_backup_failed = status != STATUS_OK;
    if (status == STATUS_OK)
        persist->facts.backed_up_at_ms = clock_unix_ms();
    pthread_mutex_unlock(&persist->lock);
}

static bool is_due(const struct directory *parent, uint64_t seconds) {
    char latest[NAME_SIZE];
    struct names names;
    name_of((time_t)(clock_unix_ms() / 1000 - seconds), latest);
    bool due = list_names(&parent->files, is_backup, &names) == STATUS_OK &&
               (name_count(&names) == 0 || strcmp(name_at(&names, name_count(&names) - 1), latest) <= 0);
    buf_fini(&names.bytes);
    return due;
}

void backup_look(struct persist *persist) {
    uint64_t now_ms = clock_steady_ms();
    struct directory parent;
    char name[NAME_SIZE];
    pthread_mutex_lock(&persist->lock);
    struct persist_pace pace = persist->pace;
    pthread_mutex_unlock(&persist->lock);
    if (!pace.backup_folder[0] || now_ms < persist->backup_look_ms || wal_state(persist->wal) != WAL_RUNNING)
        return;
    persist->backup_look_ms = now_ms + LOOK_EVERY_MS;
    enum status status = directory_open(pace.backup_folder, true, &parent);
    if (status == STATUS_OK && !is_due(&parent, pace.backup_seconds)) {
        directory_close(&parent);
        return;
    }
    name_of((time_t)(clock_unix_ms() / 1000), name);
    if (status == STATUS_OK) {
        status = make_one(persist, &parent, pace.backup_folder, name);
        int error = errno;
        remove_old(persist, &parent, pace.backup_folder, pace.backups_kept);
        directory_close(&parent);
        errno = error;
    }
    note_backup(persist, status);
    if (status == STATUS_OK) {
        persist_tell(persist, LOG_NOTICE, "backup_taken",
                     LOG_FIELDS(log_text("directory", pace.backup_folder), log_text("name", name)), "Backup %s/%s",
                     pace.backup_folder, name);
        return;
    }
    const char *problem = status == STATUS_IO || status == STATUS_FULL ? strerror(errno) : status_text(status);
    persist_tell(persist, LOG_WARNING, "backup_failed",
                 LOG_FIELDS(log_text("directory", pace.backup_folder), log_text("problem", problem)),
                 "A backup in %s has failed: %s", pace.backup_folder, problem);
    persist->backup_look_ms = now_ms + PERSIST_BACKUP_RETRY_MS;
}
