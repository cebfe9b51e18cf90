/* core/store/object.h: memory for the parts of collections, in segments of a shard's own.
 *
 * A collection that is too large for a value in the log is made of objects that refer to each other. An object is a slot
 * in a page of its size class, or a run of blocks of its own if it is large; pages and runs are cut from segments.
 *
 *     segment  [block 0][block 1] ... [block 63]
 *              | page of class 72 B | run ... | free | page of class 16 B |
 *     page     [head 16][bits: slots taken][slot][slot][slot] ...            run  [head 16][bytes]
 *
 *     reference  | number in the shard's table | offset in the segment / 8 |     32 bits, 0: none
 *
 * Arithmetic: a segment of 2 MiB takes 18 bits of offset, so 14 bits number 16,383 segments: 32 GiB of objects a shard. A range of
 * 100 GiB has at least 4 shards (store.c), and no collection lives in two. Units of 8 bytes over the whole range would
 * reach 32 GiB of all; units of 32 would reach 128 GiB but waste 16 bytes an object.
 * Classes are 8 bytes apart to 128 bytes, then 8 an octave (6 % lost on average), up to two blocks; a page takes as many blocks as keep
 * its own loss under an eighth. Beyond that, whole blocks: at most a third is lost, at ten blocks a tenth.
 *
 * Objects are never reclaimed: they go when their owner frees them, which the store asks it to when the entry goes that
 * holds the collection's root. Where dead space adds up to a segment, objects are moved together (object_compact).
 *
 * Threads: under the shard's lock. Bytes are written by words.h, for a reader that comes too late may still look at them as
 *          what the memory was before.
 * Memory:  segments of the range, taken and given back as they fill and empty.
 */
#ifndef STRATA_CORE_STORE_OBJECT_H
#define STRATA_CORE_STORE_OBJECT_H

#include "core/store/range.h"

enum { OBJECT_CLASSES_MAX = 88 }; /* the last one is two blocks of 32 KiB */

struct engine;
struct shard;

/* A shard's objects. */
struct object_heap {
    _Atomic uint64_t live;       /* bytes of slots and runs in use */
    _Atomic uint32_t segments;   /* held */
    _Atomic uint32_t draining;   /* segment that is being emptied, 0: none */
    _Atomic uint64_t stuck_live; /* emptying one failed with so many bytes alive: no use to try again before some go */
    uint64_t table_at;           /* numbers of segments, zero-filled; free places are chained */
    uint32_t table_used, table_free;
    uint32_t segment_first; /* list of segments with free blocks */
    uint32_t drain_block;
    bool moving;
    uint32_t pages[OBJECT_CLASSES_MAX]; /* list of pages with free slots, by references */
};

/* What stands in an entry with ENTRY_OBJECT instead of a value. */
struct object_root {
    uint64_t charge; /* bytes of all objects of the collection: the sum of object_charge */
    uint32_t first;  /* the object that leads to all others; not 0 */
    uint32_t own;    /* the owner's, for instance a count */
};

/* Who knows what objects are made of. Called under the shard's lock. */
struct object_owner {
    /* The entry is gone: frees all objects of its collection, exactly `charge` bytes. */
    void (*free_root)(void *context, struct engine *engine, struct actor *actor, struct shard *shard,
                      const struct object_root *root);
    /* The bytes of `from` stand at `to` now: corrects whatever refers to it (object_root_moved, if that is an entry). `from` is
     * still readable, and freed after the call. */
    void (*moved)(void *context, struct engine *engine, struct shard *shard, uint32_t from, uint32_t to);
    void *context;
};

/* The largest object: a segment but for a head. */
static inline uint32_t object_size_max(const struct range *range) { return range_segment_size(range) - 16; }

/* A new object of at least `size_bytes`, with bytes of no meaning; 0 when there is no memory. */
uint32_t object_take(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t size_bytes);
void object_give(struct engine *engine, struct actor *actor, struct shard *shard, uint32_t reference);

uint8_t *object_at(const struct engine *engine, const struct shard *shard, uint32_t reference);
/* Bytes that may be used, and bytes that it occupies. */
uint32_t object_room(const struct engine *engine, const struct shard *shard, uint32_t reference);
uint32_t object_charge(const struct engine *engine, const struct shard *shard, uint32_t reference);

/* The root of the entry for `hash` whose first object was `from` refers to `to` from now on. */
void object_root_moved(struct engine *engine, struct shard *shard, uint64_t hash, uint32_t from, uint32_t to);

/* One slice of moving objects together, in whichever shard has a segment's worth of dead space; takes that shard's lock. False if
 * there is nothing to gain. */
bool object_compact(struct engine *engine, struct actor *actor);

/* Bytes of segments that compaction would leave; read without the lock. */
uint64_t object_floor(const struct range *range, const struct object_heap *heap);

void object_verify(const struct engine *engine, const struct shard *shard);

#endif
