#include "app/rules/manifest_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/rules/manifest_diagnose.h"
#include "app/rules/manifest_yaml.h"

static bool read_all(FILE *file, struct buf *text) {
    for (;;) {
        if (buf_reserve(text, 4096) != STATUS_OK) {
            errno = ENOMEM;
            return false;
        }
        size_t got = fread(text->data + text->size, 1, text->capacity - text->size, file);
        text->size += got;
        if (ferror(file))
            return false;
        if (got == 0)
            return true;
        if (text->size > MANIFEST_TEXT_MAX) {
            errno = EFBIG;
            return false;
        }
    }
}

/* What is no file may block whoever reads it, which may be a server that runs. */
static FILE *open_regular(const char *path) {
    struct stat facts;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = NULL;
    if (fd >= 0 && fstat(fd, &facts) == 0 && !S_ISREG(facts.st_mode))
        errno = S_ISDIR(facts.st_mode) ? EISDIR : EINVAL;
    else if (fd >= 0)
        file = fdopen(fd, "r");
    if (fd >= 0 && !file) {
        int error = errno;
        close(fd);
        errno = error;
    }
    return file;
}

bool manifest_file_read(const char *path, struct buf *text) {
    if (path[0] == '-' && path[1] == 0)
        return read_all(stdin, text);
    FILE *file = open_regular(path);
    if (!file)
        return false;
    bool good = read_all(file, text);
    int error = errno;
    fclose(file);
    errno = error;
    return good;
}

static bool is_good(struct slice text, const char *path) {
    struct rules *rules = NULL;
    struct manifest_counts counts;
    struct buf out;
    buf_init(&out, &memory_libc);
    enum status status = manifest_diagnose(text, path, DIAGNOSTICS_TEXT, &out, &rules, &counts);
    fwrite(out.data, 1, out.size, stderr);
    if (status == STATUS_INVALID)
        fprintf(stderr, "strata: rules: %s has %u error%s\n", path, counts.errors, counts.errors == 1 ? "" : "s");
    else if (status != STATUS_OK)
        fprintf(stderr, "strata: rules: %s: %s\n", path, status_text(status));
    rules_free(rules);
    buf_fini(&out);
    return status == STATUS_OK;
}

bool manifest_file_is_good(const char *path) {
    struct buf text;
    buf_init(&text, &memory_libc);
    bool good = manifest_file_read(path, &text);
    if (good)
        good = is_good(buf_slice(&text), path);
    else
        fprintf(stderr, "strata: rules: %s: %s\n", path, strerror(errno));
    buf_fini(&text);
    return good;
}
