/* sys/warm/warm_fuzz.c: whatever a file holds, opening it lists records of its segments or refuses with a reason; each record listed is read as what
 * its sum says or as damaged; and the store goes on to take, write and reclaim.
 *
 * Random bytes would fail at the first checksum, so sums are made right: of the header, of segments' headers, of their indexes and of the records
 * these lead to, unless a byte of the input asks for a wrong one.
 */
#include "base/assert.h"
#include "base/little.h"
#include "sys/fault/disk.h"
#include "sys/warm/reader.h"

enum { SEGMENT = WARM_SEGMENT_SIZE_MIN, SEGMENTS = WARM_SEGMENTS_MIN, READS = 64 };

static uint8_t image[WARM_BLOCK_SIZE + SEGMENTS * SEGMENT];

struct visit {
    struct warm *warm;
    uint64_t addresses[READS];
    uint64_t count, ended, gone, sum;
};

static enum status note(void *context, const struct warm_item *item) {
    struct visit *visit = context;
    ASSERT(warm_address_position(item->address) + item->size_bytes <= SEGMENTS * SEGMENT);
    ASSERT(item->size_bytes <= warm_address_size(item->address));
    visit->addresses[visit->count++ % READS] = item->address;
    return STATUS_OK;
}

static void note_gone(void *context, const struct warm_item *item, enum warm_cause cause) {
    ((struct visit *)context)->gone++;
}

static bool keep(void *context, const struct warm_item *item) { return item->hash & 1; }

static void done(void *context, enum warm_outcome outcome, const struct warm_parts *parts) {
    struct visit *visit = context;
    ASSERT((outcome == WARM_FOUND) == (parts != NULL));
    if (parts)
        visit->sum += hash_bytes(parts->key, 0) + hash_bytes(parts->value, 0); /* all of it is there */
    visit->ended++;
}

/* A segment from some bytes: a header, entries that follow each other, and records, as far as the bytes lead. */
static void lay(uint8_t *segment, uint64_t id, uint64_t position, const uint8_t *data, size_t size) {
    size_t count = 1 + data[0] % 24, offset = WARM_SEGMENT_HEADER_SIZE, end = offset;
    struct warm_segment_header header = {.generation = 1 + data[1] % 16, .salt = data[2], .count = (uint32_t)count};
    uint64_t seed = warm_segment_seed(id, position, header.generation, header.salt);
    for (size_t i = 0; i < count; i++) {
        uint8_t a = data[(3 + 2 * i) % size], b = data[(4 + 2 * i) % size];
        uint8_t *at = segment + offset;
        uint32_t record_size = WARM_RECORD_HEADER_SIZE + a * (b % 8u);
        if (offset + record_size + WARM_RECORD_ALIGNMENT > SEGMENT - warm_index_back((uint32_t)count))
            record_size = WARM_RECORD_HEADER_SIZE;
        little_put_u32(at + 8, b == 255 ? 0xfffffff0u : (record_size - WARM_RECORD_HEADER_SIZE) / 2);
        little_put_u32(at + 12, b == 254 ? UINT32_MAX : (record_size - WARM_RECORD_HEADER_SIZE) / 4 << 12);
        warm_record_seal(at, record_size, seed, (uint32_t)offset);
        at[0] ^= a == 77;
        struct warm_index_entry entry = {.hash = a,
                                         .word = b,
                                         .offset = (uint32_t)offset + (a == 78),
                                         .size = b == 253 ? UINT32_MAX : record_size,
                                         .from = a % 4 ? 0 : (uint64_t)b << 40 | a};
        warm_index_entry_encode(&entry, segment + SEGMENT - warm_index_back((uint32_t)i));
        end = offset + record_size;
        offset = bits_align_up(end, WARM_RECORD_ALIGNMENT);
    }
    header.records_size = (uint32_t)end + (data[2] == 9);
    header.index_sum = hash_bytes(
        slice_make(segment + SEGMENT - warm_index_back((uint32_t)count - 1), count * WARM_INDEX_ENTRY_SIZE), seed);
    warm_segment_header_encode(&header, id, position, segment);
    segment[60] ^= data[2] == 8;
}

static struct slice make_image(const uint8_t *data, size_t size) {
    struct warm_file_header header = {.id = 5, .segment_size = SEGMENT};
    size_t part = (size - 2) / SEGMENTS;
    memset(image, 0, sizeof image);
    warm_file_header_encode(&header, image);
    image[8] ^= data[0] == 200;
    image[20] ^= data[0] == 201;
    for (size_t i = 0; i < SEGMENTS && part >= 4; i++) {
        uint8_t *segment = image + WARM_BLOCK_SIZE + i * SEGMENT;
        memcpy(segment, data + 2 + i * part, part < SEGMENT ? part : SEGMENT);
        if (data[1] & 1u << i)
            lay(segment, header.id, i * SEGMENT, data + 2 + i * part, part);
    }
    return slice_make(image, data[0] == 202 ? sizeof image * data[1] / 256 : sizeof image);
}

static void play(struct warm *warm, struct visit *visit) {
    struct warm_reader_options options = {.depth_max = READS};
    struct warm_reader *reader;
    static uint8_t value[3000];
    ASSERT(warm_reader_new(warm, &options, &reader) == STATUS_OK);
    uint64_t count = visit->count < READS ? visit->count : READS;
    for (uint64_t i = 0; i < count; i++) {
        struct warm_request request = {visit->addresses[i], warm_generation(warm, visit->addresses[i]), done, visit};
        ASSERT(request.generation && warm_read(reader, &request) == STATUS_OK);
    }
    while (warm_reader_pending(reader))
        (void)warm_reader_poll(reader);
    ASSERT(visit->ended == count);
    for (uint64_t i = 0; i < 60; i++) {
        struct warm_record record = {.hash = i, .parts.value = slice_make(value, sizeof value)};
        uint64_t address;
        warm_step(warm);
        ASSERT(warm_add(warm, 0, &record, &address) == STATUS_OK);
    }
    warm_settle(warm);
    warm_verify(warm);
    warm_reader_free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2 || size > sizeof image)
        return 0;
    struct disk *disk = disk_new(&memory_libc, 1, 0);
    struct visit visit = {0};
    struct warm_options options = {
        .size_bytes = SEGMENTS * SEGMENT,
        .segment_bytes = SEGMENT,
        .keep_percent = 50,
        .stepped = true,
        .seed = 3,
        .hooks = {.keep = keep, .gone = note_gone, .context = &visit},
    };
    struct warm_visitor visitor = {.found = note, .context = &visit};
    struct warm_report report;
    struct warm *warm;
    disk_put(disk, "warm", make_image(data, size));
    enum status status = warm_open(disk_files(disk), &options, 0, &visitor, &report, &warm);
    ASSERT(status == STATUS_OK || report.reason[0]);
    ASSERT(report.records == visit.count);
    if (status == STATUS_OK) {
        play(warm, &visit);
        ASSERT(warm_close(warm) == STATUS_OK);
    }
    disk_free(disk);
    return 0;
}
