/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the stages of create is its design: what must not come after what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "runtime/create.h"

/* As in the trace: "create: ids"; here without the first word. */
static const char *stage_name(size_t i)
{
	const char *name = create_stage_name(i);

	return name && strncmp(name, "create: ", 8) == 0 ? name + 8 : name;
}

static size_t stage(const char *name)
{
	size_t i = 0;

	while (stage_name(i) && strcmp(stage_name(i), name) != 0)
		i++;
	if (!create_stage_name(i))
		fail_msg("no stage is called %s", name);
	return i;
}

static void stages_come_in_an_order_that_is_safe(void **state)
{
	static const struct {
		const char *first, *then, *why;
	} rows[] = {
		{ "bundle", "policy", "policy judges the spec" },
		{ "policy", "directory", "what is refused leaves nothing on disk" },
		{ "directory", "ids", "the directory is the owner of the ids" },
		{ "files", "ids", "the registry must be open" },
		{ "ids", "plan", "the plan maps ids" },
		{ "ids", "cgroup", "delegated groups belong to container root" },
		{ "plan", "cgroup", "device rules come from the plan" },
		{ "plan", "clone", "sources are opened before the host's mount namespace is left" },
		{ "seccomp", "clone", "init has no compiler" },
		{ "cgroup", "clone", "nothing runs outside of its limits" },
		{ "clone", "id maps", "the maps are those of init's namespace" },
		{ "id maps", "mounts", "mounts are id-mapped by init's namespace" },
		{ "enter cgroup", "init", "init makes its cgroup namespace where it is" },
		{ "enter cgroup", "hooks", "hooks find the process in its groups" },
		{ "limits", "init", "limits hold before the program's code" },
		{ "hooks", "mounts", "prestart hooks see the root as the engine made it" },
		{ "hooks", "hooks done", "they are waited for" },
		{ "hooks done", "init", "init pivots only after them" },
		{ "mounts", "init", "init enters what is built" },
		{ "init", "finish", "the final state is written when all of it works" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (stage(rows[i].first) >= stage(rows[i].then))
			fail_msg("%s must come before %s: %s", rows[i].first, rows[i].then, rows[i].why);
	assert_int_equal(stage("bundle"), 0);
	assert_null(create_stage_name(stage("finish") + 1));
	assert_null(create_stage_name(SIZE_MAX));
}

static void every_stage_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (size_t i = 0; create_stage_name(i); i++)
		assert_int_equal(stage(stage_name(i)), i);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(stages_come_in_an_order_that_is_safe),
		cmocka_unit_test(every_stage_has_a_name_of_its_own),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
