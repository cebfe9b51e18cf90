/* app/cli/snapshot.h: what the three forms of `strata snapshot` share.
 *
 * Errors: each form has printed what is wrong, on standard error, and answers the exit code.
 */
#ifndef STRATA_APP_CLI_SNAPSHOT_H
#define STRATA_APP_CLI_SNAPSHOT_H

#include "app/link/place_flags.h"
#include "app/link/server_link.h"

enum { SNAPSHOT_GOOD = 0, SNAPSHOT_WRONG = 1, SNAPSHOT_UNREADABLE = 2 };
enum { SNAPSHOT_EVERY_DB = -1 };

struct snapshot_options {
    struct place_flags server;
    const char *dir;  /* NULL: a running server */
    const char *file; /* "-": standard output or input */
    const char *match;
    int db;               /* or SNAPSHOT_EVERY_DB */
    uint64_t limit_bytes; /* of the cache that a directory is read into; 0: by its files */
    bool unsorted, replace, skip, check, help;
};

int snapshot_save(const struct snapshot_options *options);
int snapshot_export(const struct snapshot_options *options);
int snapshot_import(const struct snapshot_options *options);

struct entry_line;

/* Each entry of the directory, in no order, to `visit`, which answers whether to go on. */
int snapshot_directory(const struct snapshot_options *options, bool (*visit)(void *context, struct entry_line *entry),
                       void *context);

/* How far it is, on standard error, if that is a terminal: in the place of what stood there last. Not more often than is readable. `ends`: as the last line. */
struct snapshot_progress {
    bool is_terminal;
    uint64_t shown_ms;
};
void snapshot_progress_init(struct snapshot_progress *progress);
void snapshot_show(struct snapshot_progress *progress, bool ends, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
