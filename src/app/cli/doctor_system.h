/* app/cli/doctor_system.h: whether the machine is set up for a server: `strata doctor --system`.
 *
 *     system_facts_read --> facts --> system_judge --> findings            judging asks nothing but the facts
 *
 * Threads: any.
 * Errors:  a fact that the system does not tell is unknown, and nothing is said of it.
 */
#ifndef STRATA_APP_CLI_DOCTOR_SYSTEM_H
#define STRATA_APP_CLI_DOCTOR_SYSTEM_H

#include "app/config/config.h"

enum { FINDINGS_MAX = 16, FINDING_TEXT_SIZE = 320, SYSTEM_WORD_SIZE = 32, SYSTEM_UNKNOWN = -1 };

/* What stands in /proc, /sys and the file system of `dir`. SYSTEM_UNKNOWN, 0 or an empty word: not told. */
struct system_facts {
    int overcommit, swappiness;
    char huge_pages[SYSTEM_WORD_SIZE];   /* "always", "madvise", "never" */
    char clock_source[SYSTEM_WORD_SIZE]; /* "tsc", "hpet", ... */
    char file_system
        [SYSTEM_WORD_SIZE]; /* of dir: "tmpfs", "overlay", "nfs", "fuse" or empty: nothing is known against it */
    int64_t somaxconn;
    uint64_t files_max; /* descriptors that the process may open, after it has asked for all it may have */
    uint64_t swap_bytes, memory_bytes, disk_free_bytes;
    bool disk_known, dir_is_writable;
    int io_uring_error; /* errno of making a ring; 0: it works */
};

enum finding_severity { FINDING_GOOD, FINDING_NOTE, FINDING_WARNING, FINDING_ERROR };

struct finding {
    enum finding_severity severity;
    const char *subject;             /* "overcommit" */
    char reason[FINDING_TEXT_SIZE];  /* a sentence */
    char command[FINDING_TEXT_SIZE]; /* that mends it; empty: none does */
};

struct findings {
    struct finding list[FINDINGS_MAX];
    size_t count;
};

void system_facts_read(const struct config_values *values, struct system_facts *ret_facts);
void system_judge(const struct system_facts *facts, const struct config_values *values, struct findings *ret_findings);

/* `strata doctor --system`: 0 if nothing is wrong or only notes are made, 1 for warnings and errors, 2 if the configuration is wrong. */
int doctor_system(const char *config_file, bool json);

#endif
