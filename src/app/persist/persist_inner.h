/* app/persist/persist_inner.h: what opening, serving and saving share. */
#ifndef STRATA_APP_PERSIST_PERSIST_INNER_H
#define STRATA_APP_PERSIST_PERSIST_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "app/persist/persist.h"
#include "sys/os/thread.h"

/* The name of the note at the head of a snapshot: the dump's `from` (core/cache/dump.h), 8 bytes, little-endian. */
#define PERSIST_NOTE_FROM "persist.from"

/* The name of the note that says: a cache in memory has everything up to here. 16 bytes that were drawn for it. */
#define PERSIST_NOTE_IMAGE "image"

struct persist {
    struct persist_options options;
    struct wal *wal;
    struct wal_watcher watcher;
    atomic_bool behind, refuses;
    _Atomic uint64_t turns; /* as in `facts` */
    uint32_t lanes;
    uint64_t number;       /* of the newest snapshot; 0: none */
    atomic_bool lost_some; /* while loading, and no snapshot is without it yet */
    _Atomic uint64_t rewrite_min_bytes;
    _Atomic uint32_t rewrite_percent;

    pthread_mutex_t still; /* held by whoever saves, during a slice; and while nobody may */
    struct actor actor;    /* of whoever saves */

    struct thread thread;
    bool runs;
    pthread_mutex_t lock;
    pthread_cond_t wake, over;
    struct persist_pace pace;    /* under `lock` */
    bool hurries;                /* the same: the pace is not kept */
    bool stopping;               /* under `lock`, as what follows */
    uint64_t asked;              /* turns */
    struct persist_facts facts;  /* but for `log`, `refuses` and `behind` */
    uint64_t log_bytes_loaded;   /* that were read at the start */
    uint64_t log_bytes_at_begin; /* written when the last snapshot was begun */
    uint64_t saved_steady_ms;    /* when the last one ended, or this began; of whoever saves, as the next */
    uint64_t backup_look_ms;     /* when backups are looked at again */
    uint64_t anew_at_ms;         /* by the steady clock; of whoever saves */
};

/* Says it to the user, or writes it to the log. */
void persist_say(const struct persist *persist, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same as an event of the log (sys/os/log.h); the user hears its sentence. */
void persist_tell(const struct persist *persist, enum log_level level, const char *event,
                  const struct log_field *fields, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Makes a backup if one is due; by whoever saves, so that no file goes away meanwhile. */
void backup_look(struct persist *persist);
/* The body of the thread that saves. */
void persist_run(void *persist);

#endif
