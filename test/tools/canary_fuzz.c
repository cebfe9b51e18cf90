/* test/tools/canary_fuzz.c: broken on purpose, so that a test can see the fuzzing machinery notice.
 *
 * Behind a four-letter word, which blind guessing would take years to find, it writes one byte past its memory.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4 || data[0] != 'b' || data[1] != 'i' || data[2] != 'r' || data[3] != 'd')
        return 0;
    uint8_t *copy = malloc(size);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    copy[size] = 0; /* the fault */
    free(copy);
    return 0;
}
