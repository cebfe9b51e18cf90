#include "core/audit/verify.h"

#include "core/audit/audit_fixture.h"
#include "unit.h"

static struct fixture_log log_;
static struct fixture_found found;
static struct audit_verifier verifier;

static void begin(uint64_t secret) { fixture_log_init(&log_, secret); }

static void look(void) { fixture_verify(&log_, &found, &verifier); }

static void end(void) { fixture_log_fini(&log_); }

/* Exactly one thing was found, of this kind, there. */
static void expect_one(enum audit_finding_kind kind, const char *file, uint64_t line) {
    if (verifier.tampered != 1 || found.kinds[kind] != 1)
        fail_msg("%llu found, first %s: %s", (unsigned long long)verifier.tampered,
                 audit_finding_name(found.first.kind), found.first.text);
    assert_string_equal(found.first.file, file);
    assert_int_equal(found.first.line, line);
}

static struct slice line_at(uint32_t file, uint32_t number) {
    size_t begins[FIXTURE_LINES_MAX];
    uint32_t count = fixture_lines(&log_.files[file], begins);
    assert_true(number < count);
    return slice_make(log_.files[file].data + begins[number], begins[number + 1] - begins[number]);
}

static void put(uint32_t file, size_t at, const void *bytes, size_t size) {
    struct buf *buf = &log_.files[file];
    assert_int_equal(buf_reserve(buf, size), STATUS_OK);
    memmove(buf->data + at + size, buf->data + at, buf->size - at);
    memcpy(buf->data + at, bytes, size);
    buf->size += size;
}

static void take(uint32_t file, uint32_t number, uint32_t count) {
    struct slice first = line_at(file, number), last = line_at(file, number + count - 1);
    const size_t at = (size_t)(first.data - log_.files[file].data), size = (size_t)(last.data + last.size - first.data);
    memmove(log_.files[file].data + at, log_.files[file].data + at + size, log_.files[file].size - at - size);
    log_.files[file].size -= size;
}

static void what_was_written_is_good(void **state) {
    (void)state;
    for (uint64_t secret = 0; secret < 2; secret++) {
        begin(secret);
        look();
        assert_int_equal(verifier.tampered, 0);
        assert_int_equal(verifier.notes, 0);
        assert_int_equal(verifier.lines, log_.chain.seq);
        assert_int_equal(verifier.events, FIXTURE_FILES * FIXTURE_EVENTS);
        end();
    }
}

static void every_byte_that_is_changed_is_found(void **state) {
    (void)state;
    begin(0);
    for (uint32_t file = 0; file < FIXTURE_FILES; file++) {
        for (size_t at = 0; at < log_.files[file].size; at++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                log_.files[file].data[at] ^= (uint8_t)(1u << bit);
                look();
                if (!verifier.tampered)
                    fail_msg("file %u byte %zu bit %u", file, at, bit);
                log_.files[file].data[at] ^= (uint8_t)(1u << bit);
            }
        }
    }
    look();
    assert_int_equal(verifier.tampered, 0);
    end();
}

static void a_changed_line_is_told_once_with_its_place(void **state) {
    (void)state;
    begin(0);
    struct slice line = line_at(1, 3);
    log_.files[1].data[(size_t)(line.data - log_.files[1].data) + 60] ^= 1;
    look();
    expect_one(AUDIT_CHANGED, "2", 4);
    end();
}

static void lines_that_are_missing_are_counted(void **state) {
    (void)state;
    for (uint32_t file = 0; file < FIXTURE_FILES; file++) {
        for (uint32_t from = 0; from < 4; from++) {
            for (uint32_t count = 1; count < 3; count++) {
                begin(0);
                take(file, from, count);
                look();
                expect_one(AUDIT_MISSING, (const char *[]){"1", "2", "3"}[file], from + 1);
                end();
            }
        }
    }
    begin(0);
    take(0, FIXTURE_EVENTS, 2); /* at the end of a file */
    look();
    expect_one(AUDIT_MISSING, "2", 1);
    end();
}

static void lines_that_are_doubled_inserted_or_swapped_are_told_apart(void **state) {
    (void)state;
    char copy[1024];
    begin(0);
    struct slice line = line_at(1, 2);
    memcpy(copy, line.data, line.size);
    put(1, (size_t)(line.data - log_.files[1].data), copy, line.size);
    look();
    expect_one(AUDIT_DOUBLED, "2", 4);
    end();

    begin(0);
    line = line_at(1, 2);
    size_t at = (size_t)(line.data - log_.files[1].data), size = line.size;
    memcpy(copy, line.data, size);
    take(1, 2, 1);
    struct slice next = line_at(1, 2);
    put(1, at + next.size, copy, size);
    look();
    assert_int_equal(verifier.tampered, 2);
    assert_int_equal(found.kinds[AUDIT_MISSING], 1);
    assert_int_equal(found.kinds[AUDIT_OUT_OF_ORDER], 1);
    end();

    struct fixture_log other;
    begin(0);
    fixture_log_init(&other, 0);
    fixture_event(&other, 2, 99); /* as long as the log itself, and not of it */
    size_t begins[FIXTURE_LINES_MAX];
    uint32_t count = fixture_lines(&other.files[2], begins);
    put(2, log_.files[2].size, other.files[2].data + begins[count - 1], begins[count] - begins[count - 1]);
    put(2, log_.files[2].size, other.files[2].data + begins[2], begins[3] - begins[2]);
    look();
    assert_int_equal(found.kinds[AUDIT_DOUBLED], 1);
    assert_int_equal(verifier.tampered, 1);
    fixture_log_fini(&other);
    end();
}

/* Everybody can compute hashes without a key: a line that is written anew with its hash no longer fits the one after it, and only with all of those written anew as well it does. */
static void a_forged_hash_is_found_by_the_next_line_and_with_the_key_in_any_case(void **state) {
    (void)state;
    for (uint64_t secret = 0; secret < 2; secret++) {
        begin(secret);
        struct slice line = line_at(2, 3);
        const size_t at = (size_t)(line.data - log_.files[2].data);
        uint8_t *bytes = log_.files[2].data + at;
        const uint64_t nobodys = 0;
        struct audit_line read;
        char forged[AUDIT_HASH_SIZE];
        bytes[60] ^= 1;
        assert_true(audit_line_read(slice_make(bytes, line.size - 1), &read));
        fixture_digits((void *)(uintptr_t)&nobodys, read.covered, forged);
        memcpy(bytes + (read.hash.data - bytes), forged, sizeof forged);
        look();
        if (secret)
            expect_one(AUDIT_CHANGED, "3", 4);
        else
            expect_one(AUDIT_INSERTED, "3", 5);
        end();
    }
}

static void a_log_that_was_written_anew_is_found_by_what_was_noted_elsewhere(void **state) {
    (void)state;
    struct fixture_log forged;
    char noted[AUDIT_HASH_SIZE];
    begin(7);
    memcpy(noted, log_.chain.last, sizeof noted);
    fixture_log_init(&forged, 0);
    struct audit_hash hashes[2] = {forged.hash, log_.hash};
    struct audit_wish wish = {.hashes = hashes, .hash_count = 2, .tell = fixture_note, .context = &found};
    for (int with_key = 0; with_key < 2; with_key++) {
        found = (struct fixture_found){0};
        wish.hash_count = with_key ? 2 : 1;
        wish.expected = with_key ? SLICE("") : slice_make(noted, sizeof noted);
        audit_verify_begin(&verifier, &wish);
        audit_verify_file(&verifier, "1", 1);
        audit_verify_bytes(&verifier, buf_slice(&forged.files[0]));
        audit_verify_end(&verifier);
        assert_int_equal(verifier.tampered, 1);
        assert_int_equal(found.kinds[with_key ? AUDIT_UNKEYED : AUDIT_UNEXPECTED], 1);
    }
    fixture_log_fini(&forged);
    end();
}

static void what_was_cut_off_at_the_end_is_found_by_what_was_noted(void **state) {
    (void)state;
    char noted[AUDIT_HASH_SIZE];
    begin(0);
    memcpy(noted, log_.chain.last, sizeof noted);
    const uint64_t lines = log_.chain.seq;
    take(2, FIXTURE_EVENTS, 2);
    look();
    assert_int_equal(verifier.tampered,
                     0); /* nothing in the log says so: it ends without a stop, as one that is written to */
    assert_int_equal(found.kinds[AUDIT_GOES_ON], 1);
    for (int by_count = 0; by_count < 2; by_count++) {
        found = (struct fixture_found){0};
        audit_verify_begin(&verifier,
                           &(struct audit_wish){.hashes = &log_.hash,
                                                .hash_count = 1,
                                                .tell = fixture_note,
                                                .context = &found,
                                                .expected = by_count ? SLICE("") : slice_make(noted, sizeof noted),
                                                .lines_min = by_count ? lines : 0});
        for (uint32_t i = 0; i < FIXTURE_FILES; i++) {
            audit_verify_file(&verifier, "file", i + 1);
            audit_verify_bytes(&verifier, buf_slice(&log_.files[i]));
        }
        audit_verify_end(&verifier);
        assert_int_equal(found.kinds[AUDIT_UNEXPECTED], 1);
    }
    end();
}

static void a_torn_last_line_is_no_tampering(void **state) {
    (void)state;
    begin(0);
    struct slice last = line_at(2, FIXTURE_EVENTS + 1);
    for (size_t cut = 2; cut < last.size; cut++) {
        const size_t size = log_.files[2].size;
        log_.files[2].size -= cut;
        look();
        assert_int_equal(verifier.tampered, 0);
        assert_int_equal(found.kinds[AUDIT_TORN], 1);
        log_.files[2].size = size;
    }
    log_.files[2].size--; /* all but the line end: nothing is lost */
    look();
    assert_int_equal(verifier.tampered + verifier.notes, 0);
    end();
}

static void torn_bytes_that_the_next_line_accounts_for_are_good_and_no_others(void **state) {
    (void)state;
    static const char torn[] = "{\"seq\":99,\"time\":\"20";
    begin(0);
    struct buf *file = &log_.files[2];
    const size_t at = file->size;
    assert_int_equal(buf_append(file, torn, strlen(torn)), STATUS_OK);
    assert_int_equal(buf_append(file, "\n", 1), STATUS_OK);
    assert_int_equal(audit_chain_recovered(&log_.chain, 1700000000000000u, slice_from_string(torn), file), STATUS_OK);
    assert_int_equal(audit_chain_start(&log_.chain, 1700000000000000u, "abc", "0.1", file), STATUS_OK);
    assert_int_equal(audit_chain_stop(&log_.chain, 1700000000000000u, file), STATUS_OK);
    look();
    assert_int_equal(verifier.tampered, 0);
    assert_int_equal(found.kinds[AUDIT_MENDED], 1);
    assert_int_equal(found.kinds[AUDIT_NOT_STOPPED], 1);
    file->data[at + 5] ^= 1;
    look();
    expect_one(AUDIT_NOT_A_LINE, "3", FIXTURE_EVENTS + 3);
    end();
}

static void files_that_are_missing_or_swapped_are_told(void **state) {
    (void)state;
    static const char *const names[] = {"1", "2", "3"};
    static const struct {
        uint32_t order[3], numbers[3], count;
        enum audit_finding_kind kind;
        const char *file;
    } cases[] = {
        {{0, 2}, {1, 3}, 2, AUDIT_FILE_MISSING, "3"},
        {{1, 2}, {2, 3}, 2, AUDIT_FILE_MISSING, "3"}, /* of the whole: told at the end */
        {{0, 2, 2}, {1, 2, 3}, 3, AUDIT_FILE_SWAPPED, "2"},
        {{0, 1, 1}, {1, 2, 3}, 3, AUDIT_FILE_SWAPPED, "3"},
    };
    begin(0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fixture_begin(&verifier, &log_, &found);
        for (uint32_t k = 0; k < cases[i].count; k++) {
            audit_verify_file(&verifier, names[cases[i].numbers[k] - 1], cases[i].numbers[k]);
            audit_verify_bytes(&verifier, buf_slice(&log_.files[cases[i].order[k]]));
        }
        audit_verify_end(&verifier);
        if (found.first.kind != cases[i].kind || !found.first.text[0])
            fail_msg("case %zu: %llu found, first %s: %s", i, (unsigned long long)verifier.tampered,
                     audit_finding_name(found.first.kind), found.first.text);
        assert_string_equal(found.first.file, cases[i].file);
    }
    struct buf second = log_.files[1];
    log_.files[1] = log_.files[2];
    log_.files[2] = second;
    look();
    assert_int_equal(found.kinds[AUDIT_FILE_SWAPPED], 2);
    assert_int_equal(verifier.tampered, 2);
    end();
}

static void files_that_the_log_says_it_removed_are_not_missing(void **state) {
    (void)state;
    begin(0);
    assert_int_equal(audit_chain_removed(&log_.chain, 1700000000000000u, 1, &log_.files[2]), STATUS_OK);
    for (int removed = 1; removed < 3; removed++) {
        fixture_begin(&verifier, &log_, &found);
        for (uint32_t i = (uint32_t)removed; i < FIXTURE_FILES; i++) {
            audit_verify_file(&verifier, "file", i + 1);
            audit_verify_bytes(&verifier, buf_slice(&log_.files[i]));
        }
        audit_verify_end(&verifier);
        assert_int_equal(found.kinds[AUDIT_FIRST_REMOVED], removed == 1);
        assert_int_equal(found.kinds[AUDIT_FILE_MISSING], removed == 2);
    }
    end();
}

static void lost_events_are_summed(void **state) {
    (void)state;
    begin(0);
    assert_int_equal(audit_chain_lost(&log_.chain, 1700000000000000u, 41, &log_.files[2]), STATUS_OK);
    assert_int_equal(audit_chain_lost(&log_.chain, 1700000000000000u, 1, &log_.files[2]), STATUS_OK);
    look();
    assert_int_equal(verifier.tampered, 0);
    assert_int_equal(verifier.lost, 42);
    end();
}

static void without_the_key_only_the_order_is_looked_at(void **state) {
    (void)state;
    const uint64_t nobodys = 0;
    const struct audit_hash plain = {.digits = fixture_digits, .context = (void *)(uintptr_t)&nobodys};
    begin(7);
    found = (struct fixture_found){0};
    audit_verify_begin(
        &verifier, &(struct audit_wish){.hashes = &plain, .hash_count = 1, .tell = fixture_note, .context = &found});
    for (uint32_t i = 0; i < FIXTURE_FILES; i++) {
        audit_verify_file(&verifier, "file", i + 1);
        audit_verify_bytes(&verifier, buf_slice(&log_.files[i]));
    }
    audit_verify_end(&verifier);
    assert_int_equal(verifier.tampered, 0);
    assert_int_equal(verifier.unchecked, verifier.lines);
    end();
}

UNIT_TESTS(verify, UNIT(what_was_written_is_good), UNIT(every_byte_that_is_changed_is_found),
           UNIT(a_changed_line_is_told_once_with_its_place), UNIT(lines_that_are_missing_are_counted),
           UNIT(lines_that_are_doubled_inserted_or_swapped_are_told_apart),
           UNIT(a_forged_hash_is_found_by_the_next_line_and_with_the_key_in_any_case),
           UNIT(a_log_that_was_written_anew_is_found_by_what_was_noted_elsewhere),
           UNIT(what_was_cut_off_at_the_end_is_found_by_what_was_noted), UNIT(a_torn_last_line_is_no_tampering),
           UNIT(torn_bytes_that_the_next_line_accounts_for_are_good_and_no_others),
           UNIT(files_that_are_missing_or_swapped_are_told), UNIT(files_that_the_log_says_it_removed_are_not_missing),
           UNIT(lost_events_are_summed), UNIT(without_the_key_only_the_order_is_looked_at));
