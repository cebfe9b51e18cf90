/* core/store/named.h: laying out and finding the named stores of an engine.
 *
 * Stores are chosen when the engine is opened. What is guaranteed to them, their policy, default expiry, capacity and quota change
 * while it runs; others come and go only while nobody else is in the engine (engine_store_add).
 *
 * Threads: while nobody else is in the engine.
 */
#ifndef STRATA_CORE_STORE_NAMED_H
#define STRATA_CORE_STORE_NAMED_H

#include "core/store/store.h"

/* Whether the options describe stores that can be. */
MUST_CHECK enum status named_check(const struct engine_options *options);

/* Shards of each store, by its number; answers how many there are in all, 0 if they are too many. */
uint32_t named_count_shards(const struct engine_options *options, uint32_t ret_shards[STORES_MAX]);
/* Stores, with the default one. */
uint32_t named_count(const struct engine_options *options);

enum store_policy named_default_policy(const struct engine_options *options);
/* Hash of what the options say of stores, but for policy and capacity of the default one, which a running engine may be given others of. */
uint64_t named_hash(const struct engine_options *options);
/* Whether the records bear these names, in this order, and have sessions where the options say so. */
bool named_are(const struct engine *engine, const struct engine_options *options);
/* The stores of the options are as described again, whatever was set of them since. */
void named_describe(struct engine *engine, const struct engine_options *options);

/* Writes the records of the stores, and the shards' numbers of them. */
void named_lay_out(struct engine *engine, const struct engine_options *options);

/* The process's own table of patterns, for as many stores as the options have. */
MUST_CHECK enum status named_take_routes(struct engine *engine, const struct engine_options *options);
void named_give_routes(struct engine *engine);

/* For engine_store_add: whether such a store can be had beside those that are there; the number of one that was given up, or 0; and what
 * makes a number that store. */
MUST_CHECK enum status named_check_added(const struct engine *engine, const struct store_options *options);
uint32_t named_given_up(const struct engine *engine);
uint32_t named_shards_for(const struct engine *engine, const struct store_options *options); /* a power of two */
void named_write(struct engine *engine, uint32_t number, const struct store_options *options);

/* The limit has changed: shares of it are worked out anew. */
void named_limit_changed(struct engine *engine);

#endif
