/* app/cmd/sentence.h: what became of a key, in words: "Deleted 5 s ago by DEL of client 7 (importer)".
 *
 * Memory: a sentence that grows too long is cut.
 */
#ifndef STRATA_APP_CMD_SENTENCE_H
#define STRATA_APP_CMD_SENTENCE_H

#include "app/cmd/facts.h"
#include "app/cmd/gone.h"
#include "app/cmd/spec.h"

struct sentence {
    char text[FACTS_TEXT_MAX];
    size_t size;
};

void sentence_say(struct sentence *sentence, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A name, as far as one is shown. */
void sentence_text(struct sentence *sentence, struct slice text);
/* "120 ms", "7 min" */
void sentence_span(struct sentence *sentence, uint64_t ms);
/* "tag|invalidate" as people write it. */
void sentence_command(struct sentence *sentence, const struct cmd_spec *spec);
/* "DEL of client 5 (importer)", and what it did it for. */
void sentence_author(struct sentence *sentence, const struct cmd_gone *gone);
/* "the tag team:3"; of those that rules put on: "the rule tag ~feed:7:* (keys like feed:7:*)", "the class user:{id}". */
void sentence_tag(struct sentence *sentence, struct slice tag);

#endif
