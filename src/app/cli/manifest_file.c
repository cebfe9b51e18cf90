#include "app/cli/manifest_file.h"

#include <errno.h>
#include <stdio.h>

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

bool manifest_file_read(const char *path, struct buf *text) {
    if (path[0] == '-' && path[1] == 0)
        return read_all(stdin, text);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    bool good = read_all(file, text);
    int error = errno;
    fclose(file);
    errno = error;
    return good;
}
