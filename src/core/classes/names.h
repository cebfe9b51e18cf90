/* core/classes/names.h: the tags by which rules reach entries, as names in the engine.
 *
 * Every entry of a class bears the class's own tag, and those that the class's rules and edges put on it. A name that is longer than a tag may be
 * is stood in for by a mark and its hash of 128 bits, wherever it is put on or invalidated; so is one that begins like a mark of the server's.
 *
 * Threads: no state.
 */
#ifndef STRATA_CORE_CLASSES_NAMES_H
#define STRATA_CORE_CLASSES_NAMES_H

#include "core/cache/cache.h"
#include "core/rules/rules.h"

enum {
    CLASSES_CLASS_MARK = '=',  /* entries of a class: =user:{id} */
    CLASSES_LONG_MARK = '#',   /* behind it, instead of a long name */
    CLASSES_HIDDEN_MARK = 1,   /* what the server alone puts on: such a name is none that rules or clients can say */
    CLASSES_LONG_SIZE = 2 + 32 /* the marks and hexadecimal digits */
};

/* First bytes of names that rules alone give: clients' tags do not begin with them. */
#define CLASSES_MARKS "~^="

/* The tag of a value of a class with `refresh` whose writer gave it a TTL of its own: the class's share is none of that. It is not a rule's: it
 * stays when others come into force, with a write that keeps the TTL, and goes along with a copy. Clients can neither name nor see it. */
#define CLASSES_OWN_TTL "\x01own ttl"

static inline bool classes_is_hidden(struct slice name) { return name.size && name.data[0] == CLASSES_HIDDEN_MARK; }

static inline bool classes_is_marked(struct slice name) {
    return classes_is_hidden(name) || (name.size && name.data[0] && strchr(CLASSES_MARKS, name.data[0]));
}

/* What the engine calls a tag, of at most `name_max` bytes; `to` has room for CACHE_TAG_NAME_MAX. */
struct slice classes_tag_name(struct slice text, size_t name_max, uint8_t *to);

/* The same for a tag that a client asks for by its name: as it is, unless it is none that he can say. */
struct slice classes_tag_asked(struct slice text, size_t name_max, uint8_t *to);

/* The same for a template of a class, filled in with parts of the key. */
struct slice classes_tag_filled(const struct rules_template *template, struct slice key,
                                const struct rules_fields *fields, size_t name_max, uint8_t *to);

/* The tag of all entries of a class. */
struct slice classes_class_tag(const struct rules_class *class, size_t name_max, uint8_t *to);

#endif
