/* core/auth/inner.h: what the files of this folder share.
 *
 * Threads: as auth.h.
 */
#ifndef STRATA_CORE_AUTH_INNER_H
#define STRATA_CORE_AUTH_INNER_H

#include "core/auth/auth.h"

/* Copies an item of `size` bytes to the end. */
enum auth_fault auth_list_add(struct auth_user *user, struct auth_list *list, const void *item, size_t size);

#endif
