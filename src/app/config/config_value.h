/* app/config/config_value.h: one value between text and its typed field.
 *
 * Private to this folder. What is wrong is said twice: for people who write files, and as Redis says it after CONFIG SET.
 *
 * Threads: no state.
 * Errors:  the field stays untouched.
 */
#ifndef STRATA_APP_CONFIG_CONFIG_VALUE_H
#define STRATA_APP_CONFIG_CONFIG_VALUE_H

#include "app/config/config.h"

struct config_problem {
    char plain[320];
    char redis[320];
};

/* Reads `text` into the key's field of `values`. */
bool config_value_parse(const struct config_key *key, const struct config_machine *machine, struct slice text,
                        struct config_values *values, struct config_problem *ret_problem);

/* The same into a field of the key's type that may stand anywhere. */
bool config_value_read(const struct config_key *key, const struct config_machine *machine, struct slice text,
                       void *field, struct config_problem *ret_problem);

/* As above, and notes where the value came from. `where` is what the error begins with. */
bool config_assign(struct config *config, enum config_key_id id, struct slice text, struct config_origin origin,
                   const char *where, struct config_error *ret_error);

/* "strata.yaml:3:7: port", "STRATA_PORT" or "--port": where the key's value was given. */
void config_where(const struct config *config, enum config_key_id id, char *ret_text, size_t text_size);

/* By enum cache_policy, NULL-terminated: those of maxmemory-policy, and `session`. */
extern const char *const config_store_policies[];

enum { CONFIG_WHERE_MAX = 160 };

/* Writes the text and answers STATUS_INVALID. */
enum status config_refuse(struct config_error *ret_error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Adds one member to a list. */
bool config_value_list_add(const struct config_key *key, struct config_list *list, struct slice item,
                           struct config_problem *ret_problem);

/* Writes a member of a NULL-terminated list of words, joined by ", ". */
void config_value_join(const char *const *words, char *ret_text, size_t text_size);

#endif
