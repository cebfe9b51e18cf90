/* app/config/config_yaml.h: a configuration file as a document with places.
 *
 * Private to this folder. Size, depth and number of values are bounded before the document is built; aliases are refused.
 *
 * Memory:  libyaml takes its own from malloc; config_yaml_close gives it back.
 */
#ifndef STRATA_APP_CONFIG_CONFIG_YAML_H
#define STRATA_APP_CONFIG_CONFIG_YAML_H

#include "app/config/config.h"
#include "app/yaml/yaml_text.h"

MUST_CHECK enum status config_yaml_open(struct yaml_text *yaml, struct slice text, const char *name,
                                        struct config_error *ret_error);
void config_yaml_close(struct yaml_text *yaml);

/* Walks the keys of the file; `at` begins at 0. False at the end. */
bool config_yaml_next(struct yaml_text *yaml, size_t *at, yaml_node_t **ret_key, yaml_node_t **ret_value);

/* The same for any mapping. */
bool config_yaml_pair(struct yaml_text *yaml, const yaml_node_t *mapping, size_t *at, yaml_node_t **ret_key,
                      yaml_node_t **ret_value);

/* Whether the section of named stores begins here, which is no key of spec/config.yaml. */
bool config_yaml_is_stores(const yaml_node_t *key);

/* Reads that section. `lines` says where top-level keys stand, 0: not yet; the default store's fields may take places in it. */
MUST_CHECK enum status config_stores_load(struct config *config, struct yaml_text *yaml, const yaml_node_t *node,
                                          const char *name, uint32_t lines[CONFIG_KEY_COUNT],
                                          struct config_error *ret_error);

/* Writes "NAME:LINE:COLUMN: text" and answers STATUS_INVALID. */
enum status config_yaml_refuse(const char *name, yaml_mark_t mark, struct config_error *ret_error, const char *format,
                               ...) __attribute__((format(printf, 4, 5)));

/* Of a scalar node. */
struct slice config_yaml_text(const yaml_node_t *node);

/* Reads a whole file of at most CONFIG_FILE_SIZE_MAX bytes. */
MUST_CHECK enum status config_read_file(const char *path, struct buf *text, struct config_error *ret_error);

#endif
