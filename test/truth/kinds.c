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
     .copies = true, /* whatever stands there by then */
     .changes = {"INVALIDATE PATTERN any:@:*", "INVALIDATE PATTERN any:@:[0-3]", "INVALIDATE PATTERN a?y:@:?"},
     .soft = {"INVALIDATE PATTERN any:@:* SOFT", "INVALIDATE PATTERN a?y:@:? SOFT"}},
    {.name = "expression",
     .parts = {"re@:#"},
     .copies = true,
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
     .copies = true,
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

/* `!` is the store that its keys are sent to. */
static const char of_stores[] = "stores:\n  pages: { memory: 4mb }\n";
static const char of_all[] =
    "keys:\n"
    "  \"src:{id}\": { invalidates: [\"one:{id}\", \"many:{id}:*\"] }\n"
    "  \"one:{id}\": { store: !, invalidates: [\"leaf:{id}\"] }\n"
    "  \"leaf:{id}\": { store: ! }\n"
    "  \"many:{id}:{n}\": { store: ! }\n"
    "  \"der:{id}:{n}\": { derives: [\"src:{id}\"] }\n"
    "  \"from:{id}\": { store: !, invalidates: [\"star:*:{id}\"] }\n"
    "  \"star:{n}:{id}\": { store: ! }\n"
    "  \"ev:{id}:{n}\": { store: ! }\n"
    "  \"ssrc:{id}\": { invalidates: [{ soft: \"sone:{id}\" }, { soft: \"smany:{id}:*\" }] }\n"
    "  \"sone:{id}\": { store: !, invalidates: [\"sleaf:{id}\"] }\n"
    "  \"sleaf:{id}\": {}\n"
    "  \"smany:{id}:{n}\": { store: ! }\n"
    "  \"sder:{id}:{n}\": { derives: [{ soft: \"ssrc:{id}\" }], tags: [\"sder\"] }\n";
static const char of_row[] =
    "  \"pd@:{n}\": { store: ! }\n"
    "  \"cl@:{n}\": { store: ! }\n";
static const char of_moved[] =
    "  \"key:{id}:{n}\": { store: ! }\n"
    "  \"tag:{id}:{n}\": { store: ! }\n"
    "  \"any:{id}:{n}\": { store: ! }\n";
static const char of_events[] =
    "events:\n"
    "  row.changed: { invalidate: [\"ev:{data.id}:*\"] }\n"
    "  row.gone: { invalidate: [\"ev:{data.ids[]}:*\"] }\n"
    "  soft.changed: { invalidate: [{ soft: \"ssrc:{data.id}\" }] }\n"
    "  soft.gone: { invalidate: [{ soft: \"sone:{data.id}\" }, \"sder:{data.id}:*\", \"sone:{data.id}\", "
    "\"smany:{data.id}:*\", { soft: { tag: \"sder\" } }] }\n";

static size_t fill_in(const char *from, uint32_t row, bool moved, char *to) {
    char *at = to;
    for (; *from; from++) {
        if (*from == '@')
            at += sprintf(at, "%u", row);
        else if (*from == '!')
            at = stpcpy(at, moved ? "pages" : "default");
        else
            *at++ = *from;
    }
    *at = 0;
    return (size_t)(at - to);
}

char *kinds_manifest(bool moved) {
    char *text = malloc(8192);
    ASSERT(text);
    size_t at = (size_t)sprintf(text, "version: 1\n%s", moved ? of_stores : "");
    at += fill_in(of_all, 0, moved, text + at);
    for (uint32_t row = 0; row < ROWS_OF_KIND; row++)
        at += fill_in(of_row, row, moved, text + at);
    if (moved)
        at += fill_in(of_moved, 0, moved, text + at);
    at += fill_in(of_events, 0, moved, text + at);
    ASSERT(at < 8192);
    return text;
}

void kind_key(uint32_t kind, uint32_t row, uint32_t part, char ret_key[64]) {
    const char *from = kinds[kind].parts[kinds[kind].parts[1] ? part : 0];
    size_t at = 0;
    for (; *from; from++)
        at += (size_t)(*from == '@' || *from == '#' ? snprintf(ret_key + at, 64 - at, "%u", *from == '@' ? row : part)
                                                    : snprintf(ret_key + at, 64 - at, "%c", *from));
}
