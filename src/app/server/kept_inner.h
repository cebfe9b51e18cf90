/* app/server/kept_inner.h: names of notes, and what kept.c and kept_follow.c share. */
#ifndef STRATA_APP_SERVER_KEPT_INNER_H
#define STRATA_APP_SERVER_KEPT_INNER_H

#include "app/server/kept.h"

#define KEPT_RULES "rules"
#define KEPT_STORES "stores"
#define KEPT_CLASSED "classed"
#define KEPT_FOLLOW "follow"
#define KEPT_FOLLOWED "followed"

/* Little-endian. Of fewer than 8 bytes: 0, and none is left. */
uint64_t kept_take_u64(struct slice *from);
MUST_CHECK enum status kept_put_u64(struct buf *to, uint64_t value);

MUST_CHECK enum status kept_stage(struct server *server, struct actor *actor, const char *name, struct slice bytes);

/* While opening. */
MUST_CHECK enum status kept_follow_begins(struct kept *kept, uint64_t lsn, struct slice bytes);
void kept_follow_ends(struct kept *kept, struct slice lsns);
/* Does what has begun and not ended. */
void kept_follow_all(struct server *server);

#endif
