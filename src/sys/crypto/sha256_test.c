#include "sys/crypto/sha256.h"

#include "unit.h"

static void expect(struct slice bytes, const char *digits) {
    char found[SHA256_DIGITS];
    sha256_digits(bytes, found);
    assert_memory_equal(found, digits, SHA256_DIGITS);
}

static void hashes_are_those_of_the_standard(void **state) {
    (void)state;
    expect(SLICE(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(SLICE("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    expect(SLICE("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    expect(SLICE("a\0b"), "59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138");
}

UNIT_TESTS(sha256, UNIT(hashes_are_those_of_the_standard));
