/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "codec/sha256.h"

static void sha256_is_right(void **state)
{
	/* FIPS 180-4's examples, and lengths around the padding */
	static const struct {
		const char *text, *hex;
	} rows[] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
		{ "1234567890123456789012345678901234567890123456789012345",
		  "03c3a70e99ed5eeccd80f73771fcf1ece643d939d9ecc76f25544b0233f708e9" },
		{ "1234567890123456789012345678901234567890123456789012345678901234",
		  "676491965ed3ec50cb7a63ee96315480a95c54426b0b72bca8a0d4ad1285ad55" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char hex[SHA256_HEX];

		sha256_hex(rows[i].text, strlen(rows[i].text), hex);
		assert_string_equal(hex, rows[i].hex);
	}
}

static void a_million_letters(void **state)
{
	_cleanup_free_ char *text = malloc(1000000);
	char hex[SHA256_HEX];

	(void)state;
	assert_non_null(text);
	memset(text, 'a', 1000000);
	sha256_hex(text, 1000000, hex);
	assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_is_right),
		cmocka_unit_test(a_million_letters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
