/* SPDX-License-Identifier: Apache-2.0 */
#include "guard/solve.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "guard/protobuf.h"
#include "guard/test-engine.h"

static const struct settings test_settings = { .enabled = true };
static const struct judge_host test_host = { .runc_is_caisson = true, .builds_are_closed = true };

/* A message as text: "1'abc' 2{3=1} 9=5": field 1 is a string, 2 a message, 9 a number. */
static const char *write_fields(const char *s, struct pb_text *t)
{
	while (*s && *s != '}') {
		char *end;
		unsigned long field;

		if (*s == ' ') {
			s++;
			continue;
		}
		field = strtoul(s, &end, 10);
		assert_true(end > s);
		s = end + 1;
		if (*end == '=') {
			pb_put_int(t, (uint32_t)field, strtoull(s, &end, 10));
			s = end;
		} else if (*end == '\'') {
			size_t n = strcspn(s, "'");

			pb_put_bytes(t, (uint32_t)field, s, n);
			s += n + 1;
		} else {
			char buf[4096];
			struct pb_text sub = { .buf = buf, .size = sizeof buf };

			assert_int_equal(*end, '{');
			s = write_fields(s, &sub) + 1;
			pb_put_bytes(t, (uint32_t)field, buf, sub.len);
		}
	}
	return s;
}

struct solve_row {
	const char *message, *says; /* NULL: passes */
};

#define CONTROL "/moby.buildkit.v1.Control/"
#define BRIDGE	"/moby.buildkit.v1.frontend.LLBBridge/"

static void check_rows(const char *method, const struct solve_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct judge_request q = { .settings = &test_settings, .host = &test_host };
		struct judge_verdict v;
		char buf[8192];
		struct pb_text t = { .buf = buf, .size = sizeof buf };
		const struct solve_method *m = solve_method(method, &v);

		assert_non_null(m);
		write_fields(rows[i].message, &t);
		assert_false(t.full);
		solve_judge(m, buf, t.len, &q, &v);
		if ((v.what == JUDGE_PASS) != !rows[i].says)
			fail_msg("%s: %s: %s", rows[i].message, v.what == JUDGE_PASS ? "passed" : "refused",
				 v.message);
		if (rows[i].says && (!strstr(v.message, rows[i].says) || !v.rule || v.status < 400))
			fail_msg("%s: the message is: %s", rows[i].message, v.message);
	}
}

static void solve_requests_are_judged(void **state)
{
	static const struct solve_row rows[] = {
		{ "", NULL },
		{ "1'ref' 3'moby' 4{1'name' 2'x'} 5'session' 6'dockerfile.v0' 7{1'target' 2'a'} 11=1 14=1", NULL },
		{ "9'network.host'", "entitlement network.host is not allowed" },
		{ "9'security.insecure'", "security.insecure is not allowed" },
		{ "9'device'", "device is not allowed" },
		{ "9'new'", "new is not allowed" },
		{ "9''", "is not allowed" },
		{ "6'gateway.v0' 7{1'source' 2'docker/dockerfile:1'}", NULL },
		{ "6'wasm.v0'", "frontend other than" },
		/* options of frontends */
		{ "7{1'force-network-mode' 2'host'}", "network.host is not allowed" },
		{ "7{2'host' 1'force-network-mode'}", "network.host is not allowed" },
		{ "7{1'force-network-mode' 2'container:x'}", "network.host is not allowed" },
		{ "7{1'force-network-mode' 2'none'}", NULL },
		{ "7{1'force-network-mode'}", NULL },
		{ "7{1'cgroup-parent' 2'/system.slice'}", "control group" },
		{ "7{1'cgroup-parent' 2'/docker/x'}", NULL },
		{ "7{1'context' 2'https://example.com/a.git'}", NULL },
		{ "7{1'context' 2'http://127.0.0.1/'}", "on the host itself" },
		{ "7{1'context:b' 2'http://localhost/'}", "on the host itself" },
		{ "7{1'context:b' 2'docker-image://alpine'}", NULL },
		{ "7{1'context' 2'file:///etc'}", "must come from the client" },
		{ "7{1'build-arg:X' 2'http://127.0.0.1/'}", NULL },
		{ "7{1'gateway-devel' 2'true'}", "\"gateway-devel\" is not known" },
		{ "7{1'FORCE-NETWORK-MODE' 2'host'}", "is not known" },
		{ "7{1'cache-imports' 2'[{\"Type\":\"registry\"}]'}", NULL },
		{ "7{1'cache-imports' 2'[{\"tYPE\":\"s3\"}]'}", "cache of another type" },
		{ "7{1'cache-imports' 2'[{\"Type\":\"registry\",\"type\":\"s3\"}]'}", "one string" },
		{ "7{1'cache-imports' 2'[{}]'}", "cache of another type" },
		{ "7{1'cache-imports' 2'{}'}", "must be an array" },
		{ "7{1'cache-imports' 2'x'}", "cache-imports" },
		/* outputs, caches, policies */
		{ "3'exec'", "another type than image" },
		{ "13{1'local'} 13{1'exec'}", "another type than image" },
		{ "13{1'image' 2{1'push' 2'true'}}", NULL },
		{ "8{1'a' 2'b' 2'c' 3{1'x'}}", NULL },
		{ "8{4{1'registry' 2{1'ref' 2'x'}} 5{1'local'}}", NULL },
		{ "8{4{1'gha'}}", "cache of another type" },
		{ "8{5{1'azblob'}}", "cache of another type" },
		{ "12'x'", "source policies" },
		{ "15'x'", "source policies" },
		/* LLB */
		{ "2{1{2{1{1'sh' 2'A=b' 3'/' 10'/docker/x'} 2{1=0 3'/' 6=3 20{1'id'}} 3=2 4=0}} 2{1'd' 2{1=1}} 3'x'}",
		  NULL },
		{ "2{1{2{3=1}}}", "network.host is not allowed" },
		{ "2{1{2{3=4294967297}}}", "network.host is not allowed" },
		{ "2{1{} 1{2{3=1}}}", "network.host is not allowed" },
		{ "10{1'in' 2{1{2{3=1}}}}", "network.host is not allowed" },
		{ "2{1{2{4=1}}}", "security.insecure is not allowed" },
		{ "2{1{2{4=2}}}", "security.insecure is not allowed" },
		{ "2{1{2{6{1'/dev/sda'}}}}", "device is not allowed" },
		{ "2{1{2{1{10'/system.slice'}}}}", "control group" },
		{ "2{1{2{2{6=5}}}}", "mount of type 5" },
		{ "2{1{3{1'docker-image://x' 2{1'a' 2'b'}}}}", NULL },
		{ "2{1{3{1'local://context'}}}", NULL },
		{ "2{1{3{1'http://127.0.0.1/'}}}", "on the host itself" },
		{ "2{1{3{1'nfs://x'}}}", "must come from the client" },
		{ "2{1{3{1'git://example.com/x' 2{1'git.fullurl' 2'ext::sh'}}}}", "must come from the client" },
		{ "2{1{5{1=0}}}", "BuildOp" },
		{ "2{1{4{2'x'}}}", NULL },
		/* both of a oneof: the last one would count */
		{ "2{1{2{3=1} 4{}}}", "network.host is not allowed" },
		/* what is not known, and what is there twice */
		{ "99'x'", "field 99 is not known" },
		{ "2{1{2{7'x'}}}", "field 7 is not known" },
		{ "6'dockerfile.v0' 6'dockerfile.v0'", "there twice" },
		{ "2{} 2{1{2{3=1}}}", "there twice" },
		{ "2{1{2{3=0 3=1}}}", "there twice" },
	};

	(void)state;
	check_rows(CONTROL "Solve", rows, ARRAY_SIZE(rows));
}

static void solves_of_clients_that_are_frontends_are_judged(void **state)
{
	static const struct solve_row rows[] = {
		{ "1{1{2{3=2}}} 2'dockerfile.v0' 3{1'target' 2'x'} 4'ref' 5=1 6=1 10=1 11'x' 13{1'registry'} 14=1",
		  NULL },
		{ "1{1{2{3=1}}}", "network.host is not allowed" },
		{ "3{1'force-network-mode' 2'host'}", "network.host is not allowed" },
		{ "12{1'a' 2{1{2{4=1}}}}", "security.insecure is not allowed" },
		{ "13{1's3'}", "cache of another type" },
		{ "15'x'", "source policies" },
		{ "7=1", "field 7 is not known" },
	};
	static const struct solve_row meta[] = {
		{ "1{1'docker-image://x'} 3'log'", NULL },
		{ "1{1'http://localhost/'}", "on the host itself" },
	};

	(void)state;
	check_rows(BRIDGE "Solve", rows, ARRAY_SIZE(rows));
	check_rows(BRIDGE "ResolveSourceMeta", meta, ARRAY_SIZE(meta));
}

static void methods_are_a_closed_world(void **state)
{
	static const struct {
		const char *path;
		int status; /* 0: there is such a method */
	} rows[] = {
		{ CONTROL "Solve", 0 },
		{ CONTROL "Status", 0 },
		{ "/grpc.health.v1.Health/Check", 0 },
		{ "/opentelemetry.proto.collector.trace.v1.TraceService/Export", 0 },
		{ CONTROL "Session", 403 },
		{ BRIDGE "NewContainer", 403 },
		{ BRIDGE "ExecProcess", 403 },
		{ CONTROL "solve", 501 },
		{ CONTROL "Solve/", 501 },
		{ "", 501 },
		{ "/opentelemetry.proto.collector.logs.v1.LogsService/Export", 501 },
		{ "/containerd.services.content.v1.Content/Write", 501 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct judge_verdict v;
		const struct solve_method *m = solve_method(rows[i].path, &v);

		if (rows[i].status == 0) {
			assert_non_null(m);
			assert_string_equal(solve_method_path(m), rows[i].path);
		} else if (m || v.what != JUDGE_REFUSE || v.status != rows[i].status || !*v.message) {
			fail_msg("%s: %d %s", rows[i].path, v.status, v.message);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(solve_requests_are_judged),
		cmocka_unit_test(solves_of_clients_that_are_frontends_are_judged),
		cmocka_unit_test(methods_are_a_closed_world),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
