/* core/auth/inner.h: what the files of this folder share.
 *
 * Threads: as auth.h.
 */
#ifndef STRATA_CORE_AUTH_INNER_H
#define STRATA_CORE_AUTH_INNER_H

#include "core/auth/auth.h"

/* Of the user's arena; NULL: over AUTH_USER_SIZE_MAX, or no memory, and auth_no_room says which. */
void *auth_take(struct auth_user *user, size_t size);
enum auth_fault auth_no_room(const struct auth_user *user);
enum auth_fault auth_copy_bytes(struct auth_user *user, struct slice from, struct slice *ret_copy);

/* Copies an item of `size` bytes to the end. */
enum auth_fault auth_list_add(struct auth_user *user, struct auth_list *list, const void *item, size_t size);
void auth_list_remove(struct auth_list *list, uint32_t at, size_t size);
enum auth_fault auth_copy_slices(struct auth_user *user, const struct auth_list *from, struct auth_list *to);

static inline bool auth_is(struct slice rule, const char *word) {
    return slice_equal_nocase(rule, slice_from_string(word));
}

/* Whether it begins so; that is taken off then. */
static inline bool auth_takes(struct slice *rule, const char *begin) {
    struct slice word = slice_from_string(begin);
    if (!slice_starts_with(*rule, word))
        return false;
    *rule = slice_part(*rule, word.size, SIZE_MAX);
    return true;
}

/* Digits of a SHA-256, small letters. */
bool auth_is_hash(struct slice text);

/* What stands in a line of an ACL file as one word, and no more, has none. */
bool auth_has_spaces(struct slice text);

enum auth_fault auth_selector_new(struct auth_user *user, struct auth_selector *ret_selector);
/* As a new one. */
void auth_selector_reset(const struct auth_user *user, struct auth_selector *selector);
/* One rule about commands, keys, channels, classes or stores. */
enum auth_fault auth_selector_apply(struct auth_user *user, struct auth_selector *selector, struct slice rule);
/* Adds a copy of another user's. */
enum auth_fault auth_copy_selector(struct auth_user *user, const struct auth_selector *from);

#endif
