/* sys/wal/doctor.h: what a directory of log and snapshots is worth, and making it usable again.
 *
 * Examining changes nothing. Repairing does one thing after another until a server would start with what is left:
 *
 *     the newest snapshot is damaged            it is set aside; the one before counts
 *     a file of the log is damaged              it is cut before the damage (a copy is set aside), those behind it are set aside
 *     a file of the log is missing or foreign   those behind it are set aside
 *     records before the log are missing        the log is set aside
 *     the log ends before the snapshot does     the snapshot is written again, as one that needs no more than there is
 *
 * Setting aside is a new name with the suffix `.damaged`; nothing is removed. What is lost is said, before and after.
 *
 * Threads: one owner; nobody else uses the directory, which the caller sees to (directory_lock).
 * Memory:  the text, and what reading takes.
 * Errors:  STATUS_CORRUPT: damaged; doctor_repair may help. STATUS_INVALID: of a version that is not known; hands off. STATUS_IO, STATUS_FULL,
 *          STATUS_NO_MEMORY. `text` says what.
 */
#ifndef STRATA_SYS_WAL_DOCTOR_H
#define STRATA_SYS_WAL_DOCTOR_H

#include "sys/wal/snapshot.h"

struct doctor {
    const struct files *files;
    const struct memory *memory;
    struct buf text; /* lines about what was found and done */
    /* What doctor_examine found. */
    uint64_t snapshot;       /* the newest that is good; 0: none */
    uint64_t snapshot_wrong; /* a newer one that is not; 0: none */
    struct snapshot_facts facts;
    struct wal_need need;
    enum wal_damage damage;
    uint64_t damage_number, damage_offset, damage_lsn;
    uint64_t next_lsn;   /* of the log, if it is good */
    uint64_t set_aside;  /* files, by doctor_repair */
    bool log_shortened;  /* by doctor_repair */
    uint64_t lost_first; /* records from here on that doctor_repair gave up; 0: none */
    uint64_t lost_last;  /* the highest of them that was seen */
};

void doctor_init(struct doctor *doctor, const struct files *files, const struct memory *memory);
void doctor_fini(struct doctor *doctor);

/* STATUS_OK: a server starts with this directory. */
MUST_CHECK enum status doctor_examine(struct doctor *doctor);

/* After doctor_examine has answered STATUS_CORRUPT. STATUS_OK: a server starts with it now. May be cut short anywhere and begun again. */
MUST_CHECK enum status doctor_repair(struct doctor *doctor);

#endif
