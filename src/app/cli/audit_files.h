/* app/cli/audit_files.h: the files of an audit log, line by line.
 *
 * Threads: one.
 * Memory:  names, and a buffer of the longest line, up to AUDIT_FILES_LINE_MAX.
 * Errors:  told on standard error.
 */
#ifndef STRATA_APP_CLI_AUDIT_FILES_H
#define STRATA_APP_CLI_AUDIT_FILES_H

#include "base/slice.h"

/* What a crash leaves may be no line, and longer than one. */
enum { AUDIT_FILES_MAX = 100000, AUDIT_FILES_LINE_MAX = 64 * 1024 * 1024 };

struct audit_file {
    char *path;
    uint64_t number; /* as its name says; 0: it says nothing */
};

struct audit_files {
    struct audit_file *list;
    uint32_t count;
    bool whole; /* it was a directory: all files there are, in their order */
};

/* A directory, or files in the order in which they stand in the log. False: told what is wrong. */
bool audit_files_find(struct audit_files *files, char *const *paths, uint32_t count, const char *command);
void audit_files_fini(struct audit_files *files);

/* Calls for each line, without its end; `ended`: it had one. False: told what is wrong. */
bool audit_files_read(const struct audit_file *file, const char *command,
                      void (*visit)(void *context, struct slice line, bool ended), void *context);

#endif
