/* test/scarce/scarce.h: a server in which one allocation fails, the first, the second, and so on until there is none left to fail.
 *
 *     prepare     lines of the judge, in which nothing fails
 *     listener    has said its lines before
 *     act         lines of an actor: the n-th allocation from here on fails (or that and all behind it)
 *     judge       looks what has become of it: what was said to be done is done, what was refused has changed nothing
 *
 * Threads: the server has one worker; the test's own thread asks.
 * Memory:  malloc, calloc and realloc of the server's own code are wrapped by the linker.
 */
#ifndef STRATA_TEST_SCARCE_H
#define STRATA_TEST_SCARCE_H

#include "app/server/peer_fixture.h"

enum { SCARCE_TEXT = 64 * 1024, SCARCE_LINES = 12 };

/* Each a command; its words end at spaces, `_` is an empty one, and `@` stands for the manifest of the scene. `$` is the token that was heard last. */
struct scene {
    const char *name;
    const char *manifest;
    const char *prepare[SCARCE_LINES];
    const char *listen[SCARCE_LINES];
    const char *act[SCARCE_LINES];
    /* A question, then how its answer begins if the last line of `act` was done, and if it was refused; NULL: it does not matter. A bar stands between
     * several that are right: who has no memory to find out what has to go takes more. */
    struct {
        const char *line, *done, *refused;
    } judge[SCARCE_LINES];
    /* What the listener has to have heard after it was done, any of these words; being cut will do as well. */
    const char *heard[4];
    bool resp3;      /* of actor and listener */
    bool always;     /* it has to be heard although it was refused or cut */
    bool may_refuse; /* in this scene other errors than those of memory are right, too */
};

/* Counts what happened; what is wrong is told on standard error, too. */
struct scarce_counts {
    uint64_t rounds, done, refused, cut, wrong;
};
/* From now on the n-th allocation fails, counted from 0, or that and all behind it; until the end of that. True: something has failed. */
void scarce_fail_from(uint64_t n, bool all);
bool scarce_fail_no_more(void);

void scarce_play(struct server *server, const struct scene *scene, struct scarce_counts *counts);

#endif
