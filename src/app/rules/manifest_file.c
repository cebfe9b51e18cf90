#include "app/rules/manifest_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/rules/manifest_diagnose.h"
#include "app/rules/manifest_yaml.h"
#include "sys/os/whole_file.h"

bool manifest_file_read(const char *path, struct buf *text) {
    bool from_input = path[0] == '-' && path[1] == 0;
    return from_input ? whole_file_read_open(STDIN_FILENO, MANIFEST_TEXT_MAX, text)
                      : whole_file_read(path, MANIFEST_TEXT_MAX, text);
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
