/* What rows of each kind are made of, and how it goes. */
#include <string.h>

#include "truth.h"

const struct kind kinds[] = {
    {.name = "key",
     .parts = {"key:@:#"},
     .changes = {"DEL key:@:0 key:@:1 key:@:2 key:@:3", "UNLINK key:@:3 key:@:2 key:@:1 key:@:0",
                 "INVALIDATE KEY key:@:0\nINVALIDATE KEY key:@:1\nINVALIDATE KEY key:@:2\nINVALIDATE KEY key:@:3",
                 "GETDEL key:@:0\nGETDEL key:@:1\nEXPIRE key:@:2 -1\nPEXPIREAT key:@:3 1",
                 "MULTI\nDEL key:@:0\nDEL key:@:1 key:@:2\nUNLINK key:@:3\nEXEC"},
     .soft = {"INVALIDATE KEY key:@:0 SOFT\nINVALIDATE KEY key:@:1 SOFT\nINVALIDATE KEY key:@:2 SOFT\nINVALIDATE KEY "
              "key:@:3 SOFT"}},
    {.name = "tag",
     .parts = {"tag:@:#"},
     .tag = "t:@",
     .copies = true,
     .changes = {"TAG INVALIDATE t:@", "INVALIDATE TAG t:@", "TAG INVALIDATE nobody t:@",
                 "MULTI\nTAG INVALIDATE t:@\nINVALIDATE TAG nobody\nEXEC"},
     .soft = {"TAG INVALIDATE t:@ SOFT", "INVALIDATE TAG t:@ SOFT", "MULTI\nTAG INVALIDATE nobody t:@ SOFT\nEXEC"}},
    {.name = "pattern",
     .parts = {"any:@:#"},
     .changes = {"INVALIDATE PATTERN any:@:*", "INVALIDATE PATTERN any:@:[0-3]", "INVALIDATE PATTERN a?y:@:?"},
     .soft = {"INVALIDATE PATTERN any:@:* SOFT", "INVALIDATE PATTERN a?y:@:? SOFT"}},
    {.name = "expression",
     .parts = {"re@:#"},
     .changes = {"INVALIDATE REGEX ^re@:[0-9]+$", "INVALIDATE REGEX e@:", "INVALIDATE REGEX ^re(@|100):.$"},
     .soft = {"INVALIDATE REGEX ^re@:. SOFT"}},
    {.name = "declared pattern",
     .parts = {"pd@:#"},
     .copies = true,
     .changes = {"INVALIDATE PATTERN pd@:{n}", "INVALIDATE PATTERN pd@:*"},
     .soft = {"INVALIDATE PATTERN pd@:* SOFT"}},
    {.name = "class",
     .parts = {"cl@:#"},
     .copies = true,
     .changes = {"INVALIDATE CLASS cl@:{n}"},
     .soft = {"INVALIDATE CLASS cl@:{n} SOFT"}},
    /* SETBIT of what the bit is already changes nothing, so nothing follows from it. */
    {.name = "cascade",
     .parts = {"one:@", "many:@:#", "leaf:@", "der:@:#"},
     .changes = {"SET src:@ x", "DEL src:@", "GETSET src:@ y", "MSET other:@ 1 src:@ 2", "APPEND src:@ z",
                 "SETRANGE src:@ 0 a", "SETBIT src:@ 7 0\nSETBIT src:@ 7 1", "PEXPIREAT src:@ 1",
                 "INVALIDATE KEY src:@", "MULTI\nSET other:@ 1\nSET src:@ 2\nEXEC", "SET src:@ x TAGS 1 t:src"},
     .soft = {"INVALIDATE KEY src:@ SOFT"}},
    {.name = "cascade by search",
     .parts = {"star:#:@"},
     .changes = {"SET from:@ x", "DEL from:@", "MULTI\nSET from:@ 2\nEXEC"},
     .soft = {"INVALIDATE KEY from:@ SOFT"}},
    {.name = "event",
     .parts = {"ev:@:#"},
     .copies = true,
     .changes = {"EVENT EMIT row.changed {\"id\":@}", "INVALIDATE EVENT row.changed {\"id\":\"@\"}",
                 "EVENT EMIT row.gone {\"ids\":[@,100@]}"},
     .soft = {"EVENT EMIT row.changed {\"id\":@} SOFT", "INVALIDATE EVENT row.gone {\"ids\":[@]} SOFT"}},
    /* By plain writes, which nobody calls soft but the rules; what they say to be hard as well is hard. */
    {.name = "soft edges",
     .parts = {"sone:@", "smany:@:#", "sleaf:@", "sder:@:#"},
     .changes = {"EVENT EMIT soft.gone {\"id\":@}", "INVALIDATE EVENT soft.gone {\"id\":\"@\"}",
                 "MULTI\nSET ssrc:@ 1\nEVENT EMIT soft.gone {\"id\":@}\nEXEC"},
     .soft = {"SET ssrc:@ x", "DEL ssrc:@", "APPEND ssrc:@ z", "MULTI\nSET other:@ 1\nSET ssrc:@ 2\nEXEC",
              "INVALIDATE KEY ssrc:@", "EVENT EMIT soft.changed {\"id\":@}"}},
};
const uint32_t kind_count = sizeof kinds / sizeof *kinds;

static const char of_all[] =
    "version: 1\n"
    "keys:\n"
    "  \"src:{id}\": { invalidates: [\"one:{id}\", \"many:{id}:*\"] }\n"
    "  \"one:{id}\": { invalidates: [\"leaf:{id}\"] }\n"
    "  \"leaf:{id}\": {}\n"
    "  \"many:{id}:{n}\": {}\n"
    "  \"der:{id}:{n}\": { derives: [\"src:{id}\"] }\n"
    "  \"from:{id}\": { invalidates: [\"star:*:{id}\"] }\n"
    "  \"star:{n}:{id}\": {}\n"
    "  \"ev:{id}:{n}\": {}\n"
    "  \"ssrc:{id}\": { invalidates: [{ soft: \"sone:{id}\" }, { soft: \"smany:{id}:*\" }] }\n"
    "  \"sone:{id}\": { invalidates: [\"sleaf:{id}\"] }\n"
    "  \"sleaf:{id}\": {}\n"
    "  \"smany:{id}:{n}\": {}\n"
    "  \"sder:{id}:{n}\": { derives: [{ soft: \"ssrc:{id}\" }], tags: [\"sder\"] }\n";
static const char of_row[] =
    "  \"pd@:{n}\": {}\n"
    "  \"cl@:{n}\": {}\n";
static const char of_events[] =
    "events:\n"
    "  row.changed: { invalidate: [\"ev:{data.id}:*\"] }\n"
    "  row.gone: { invalidate: [\"ev:{data.ids[]}:*\"] }\n"
    "  soft.changed: { invalidate: [{ soft: \"ssrc:{data.id}\" }] }\n"
    "  soft.gone: { invalidate: [{ soft: \"sone:{data.id}\" }, \"sder:{data.id}:*\", \"sone:{data.id}\", "
    "\"smany:{data.id}:*\", { soft: { tag: \"sder\" } }] }\n";

char *kinds_manifest(void) {
    size_t size = sizeof of_all + ROWS_OF_KIND * (sizeof of_row + 8) + sizeof of_events, at = 0;
    char *text = malloc(size);
    ASSERT(text);
    at += (size_t)snprintf(text, size, "%s", of_all);
    for (uint32_t row = 0; row < ROWS_OF_KIND; row++)
        for (const char *from = of_row; *from; from++)
            at += (size_t)(*from == '@' ? snprintf(text + at, size - at, "%u", row)
                                        : snprintf(text + at, size - at, "%c", *from));
    snprintf(text + at, size - at, "%s", of_events);
    return text;
}

void kind_key(uint32_t kind, uint32_t row, uint32_t part, char ret_key[64]) {
    const char *from = kinds[kind].parts[kinds[kind].parts[1] ? part : 0];
    size_t at = 0;
    for (; *from; from++)
        at += (size_t)(*from == '@' || *from == '#' ? snprintf(ret_key + at, 64 - at, "%u", *from == '@' ? row : part)
                                                    : snprintf(ret_key + at, 64 - at, "%c", *from));
}
