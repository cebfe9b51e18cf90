#include "app/rules/manifest_diagnose.h"

#include "app/rules/manifest_yaml.h"

enum status manifest_diagnose(struct slice text, const char *name, enum diagnostics_form form, struct buf *problems,
                              struct rules **ret_rules, struct manifest_counts *ret_counts) {
    struct diagnostics diagnostics;
    struct rules *rules = NULL;
    diagnostics_init(&diagnostics, &memory_libc);
    struct manifest_sink sink = diagnostics_sink(&diagnostics);
    enum status status = manifest_compile(text, &memory_libc, &sink, &rules);
    if (status == STATUS_OK || status == STATUS_INVALID) {
        enum status written = diagnostics_write(&diagnostics, form, name, text, problems);
        status = written == STATUS_OK ? status : written;
    }
    if (ret_counts)
        *ret_counts = (struct manifest_counts){diagnostics.errors, diagnostics.warnings};
    diagnostics_fini(&diagnostics);
    if (status == STATUS_OK)
        *ret_rules = rules;
    else
        rules_free(rules);
    return status;
}

struct slice manifest_first_error(struct slice problems, const char *name) {
    static const char says[] = ": error: ";
    size_t name_size = strlen(name);
    for (size_t at = 0, end; at < problems.size; at = end + 1) {
        const uint8_t *found = memchr(problems.data + at, '\n', problems.size - at);
        end = found ? (size_t)(found - problems.data) : problems.size;
        struct slice line = slice_part(problems, at, end - at);
        size_t word = name_size;
        /* Its place are digits and colons: what a message quotes is not looked at. */
        while (word < line.size && (line.data[word] == ':' || (line.data[word] >= '0' && line.data[word] <= '9')))
            word++;
        if (word > name_size && line.size >= word + sizeof says - 2 && memcmp(line.data, name, name_size) == 0 &&
            memcmp(line.data + word - 1, says, sizeof says - 1) == 0)
            return slice_part(problems, at, SIZE_MAX);
    }
    return problems;
}
