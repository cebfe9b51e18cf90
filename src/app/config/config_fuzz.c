/* app/config/config_fuzz.c: any text is either refused with a place, or gives a configuration that can be written back and read
 * again to the same values. */
#include "app/config/config.h"
#include "base/assert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rewrite(const struct config *config, struct slice text) {
    struct config_error error;
    struct config again;
    struct buf written;
    buf_init(&written, &memory_libc);
    if (config_rewrite_text(config, text, &written, &error) == STATUS_OK) {
        config_defaults(&again, &config->machine);
        ASSERT(config_load_yaml(&again, buf_slice(&written), "fuzz.yaml", &error) == STATUS_OK);
        ASSERT(memcmp(&again.values, &config->values, sizeof again.values) == 0);
        ASSERT(memcmp(&again.stores, &config->stores, sizeof again.stores) == 0);
    }
    buf_fini(&written);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct config_machine machine = {.memory_bytes = 8ull << 30, .cores = 4};
    static struct config config, before;
    struct config_error error = {""};
    struct slice text = slice_make(data, size);
    config_defaults(&config, &machine);
    before = config;
    if (config_load_yaml(&config, text, "fuzz.yaml", &error) != STATUS_OK) {
        ASSERT(strncmp(error.text, "fuzz.yaml", 9) == 0);
        ASSERT(memcmp(&config, &before, sizeof config) == 0);
        return 0;
    }
    if (config_check(&config, &error) != STATUS_OK)
        return 0;
    check_rewrite(&config, text);
    struct slice name = SLICE("tcp-keepalive"), policy = SLICE("maxmemory-policy"), entries = SLICE("maxentries");
    struct slice names[] = {name, policy, entries}, values[] = {SLICE("77"), SLICE("volatile-ttl"), SLICE("55")};
    ASSERT(config_set(&config, names, values, 3, NULL, &error) == STATUS_OK);
    check_rewrite(&config, text);
    return 0;
}
