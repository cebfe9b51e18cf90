/* app/cmd/facts.h: a list of named facts that is put together first and replied as a map afterwards.
 *
 * What is not known is left out, so how many there are is known at the end only.
 *
 * Memory: texts that are made here stand in the arena of the call; other slices live until the reply.
 * Errors: without memory the reply is an error.
 */
#ifndef STRATA_APP_CMD_FACTS_H
#define STRATA_APP_CMD_FACTS_H

#include "app/cmd/cmd.h"

enum { FACTS_MAX = 40, FACTS_TEXT_MAX = 1024 };

struct rules_class;

struct fact {
    const char *name;
    enum { FACT_TEXT, FACT_NUMBER, FACT_LIST } kind;
    struct slice text;
    int64_t number;
    const struct slice *list;
    uint32_t list_count;
};

struct facts {
    struct cmd_call *call;
    struct fact items[FACTS_MAX];
    uint32_t count;
    bool failed; /* no memory */
};

void facts_text(struct facts *facts, const char *name, struct slice text);
void facts_format(struct facts *facts, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
void facts_number(struct facts *facts, const char *name, int64_t number);
void facts_list(struct facts *facts, const char *name, const struct slice *list, uint32_t count);
/* How a class says that its values are packed, which is for clients to go by: the server packs none. Nothing, if it does not say. */
void facts_codec(struct facts *facts, const struct rules_class *class);
void facts_reply(struct facts *facts);

/* A copy in the arena; empty, and the facts have failed, without memory. */
struct slice facts_copy(struct facts *facts, struct slice text);

#endif
