#include "sys/crypto/hmac.h"

#include "unit.h"

static void expect(struct slice key, struct slice bytes, const char *digits) {
    char found[SHA256_DIGITS];
    hmac_sha256_digits(key, bytes, found);
    assert_memory_equal(found, digits, SHA256_DIGITS);
}

/* RFC 4231, cases 1, 2 and 6; and the empty one. */
static void codes_are_those_of_the_standard(void **state) {
    (void)state;
    uint8_t key[131];
    memset(key, 0x0b, 20);
    expect(slice_make(key, 20), SLICE("Hi There"), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    expect(SLICE("Jefe"), SLICE("what do ya want for nothing?"),
           "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof key);
    expect(slice_make(key, sizeof key), SLICE("Test Using Larger Than Block-Size Key - Hash Key First"),
           "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    expect(SLICE(""), SLICE(""), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

UNIT_TESTS(hmac, UNIT(codes_are_those_of_the_standard));
