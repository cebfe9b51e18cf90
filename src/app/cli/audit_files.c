#include "app/cli/audit_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "core/audit/chain.h"
#include "sys/os/files.h"

static bool add(struct audit_files *files, const char *folder, const char *name) {
    const char *base = strrchr(name, '/');
    struct audit_file file = {.number = audit_file_number(slice_from_string(base ? base + 1 : name))};
    struct audit_file *list = reallocarray(files->list, files->count + 1, sizeof *list);
    if (!list)
        return false;
    files->list = list;
    if (asprintf(&file.path, "%s%s%s", folder ? folder : "", folder ? "/" : "", name) < 0)
        return false;
    list[files->count++] = file;
    return true;
}

struct listing {
    struct audit_files *files;
    const char *folder;
};

static enum status visit_name(void *visitor, const char *name) {
    const struct listing *listing = visitor;
    if (!audit_file_number(slice_from_string(name)) || listing->files->count == AUDIT_FILES_MAX)
        return STATUS_OK;
    return add(listing->files, listing->folder, name) ? STATUS_OK : STATUS_NO_MEMORY;
}

static int compare(const void *a, const void *b) {
    const struct audit_file *one = a, *other = b;
    return (one->number > other->number) - (one->number < other->number);
}

static bool find_in(struct audit_files *files, const char *folder, const char *command) {
    struct directory directory;
    struct listing listing = {files, folder};
    enum status status = directory_open(folder, false, &directory);
    if (status == STATUS_OK) {
        status = directory.files.list(directory.files.context, visit_name, &listing);
        directory_close(&directory);
    }
    files->whole = true;
    if (status != STATUS_OK)
        fprintf(stderr, "strata audit %s: %s: %s\n", command, folder,
                status == STATUS_IO ? strerror(errno) : status_text(status));
    else if (!files->count)
        fprintf(stderr, "strata audit %s: %s: there is no audit log\n", command, folder);
    if (files->count)
        qsort(files->list, files->count, sizeof *files->list, compare);
    return status == STATUS_OK && files->count;
}

bool audit_files_find(struct audit_files *files, char *const *paths, uint32_t count, const char *command) {
    struct stat about;
    *files = (struct audit_files){0};
    if (count == 1 && stat(paths[0], &about) == 0 && S_ISDIR(about.st_mode))
        return find_in(files, paths[0], command);
    for (uint32_t i = 0; i < count; i++) {
        if (!add(files, NULL, paths[i])) {
            fprintf(stderr, "strata audit %s: out of memory\n", command);
            return false;
        }
    }
    return true;
}

void audit_files_fini(struct audit_files *files) {
    for (uint32_t i = 0; i < files->count; i++)
        free(files->list[i].path);
    free(files->list);
    *files = (struct audit_files){0};
}

/* The whole lines that have come so far; what is left of them stays. */
static void hand_out(struct buf *bytes, size_t *searched, void (*visit)(void *context, struct slice line, bool ended),
                     void *context) {
    size_t begin = 0;
    const uint8_t *end;
    while (*searched < bytes->size && (end = memchr(bytes->data + *searched, '\n', bytes->size - *searched))) {
        const size_t until = (size_t)(end - bytes->data);
        visit(context, slice_make(bytes->data + begin, until - begin), true);
        begin = *searched = until + 1;
    }
    buf_consume(bytes, begin);
    *searched = bytes->size;
}

bool audit_files_read(const struct audit_file *file, const char *command,
                      void (*visit)(void *context, struct slice line, bool ended), void *context) {
    enum { STEP = 256 * 1024 };
    struct buf bytes;
    size_t searched = 0, got = 0;
    FILE *stream = fopen(file->path, "rb");
    bool good = stream != NULL;
    buf_init(&bytes, &memory_libc);
    errno = good ? 0 : errno;
    do {
        good = good && buf_reserve(&bytes, STEP) == STATUS_OK && bytes.size < AUDIT_FILES_LINE_MAX;
        got = good ? fread(bytes.data + bytes.size, 1, STEP, stream) : 0;
        bytes.size += got;
        hand_out(&bytes, &searched, visit, context);
    } while (got);
    good = good && !ferror(stream);
    if (good && bytes.size)
        visit(context, buf_slice(&bytes), false);
    if (!good)
        fprintf(stderr, "strata audit %s: %s: %s\n", command, file->path, errno ? strerror(errno) : "is no audit log");
    if (stream)
        fclose(stream);
    buf_fini(&bytes);
    return good;
}
