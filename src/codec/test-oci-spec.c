/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/io.h"
#include "codec/oci-spec.h"
#include "codec/test-paths.h"

/*
 * Documents are written with ' for ", which JSON does not use. A document that starts with '{' is taken whole; the
 * others are members that are put into the smallest valid document of their kind.
 */
enum doc {
	CONFIG,
	PROCESS,
	RESOURCES,
};

static char *document(enum doc kind, const char *text)
{
	static const char *const start[] = {
		[CONFIG] = "{'ociVersion':'1.0.2','root':{'path':'rootfs'}",
		[PROCESS] = "{'args':['sh'],'cwd':'/'",
		[RESOURCES] = "{'x':0",
	};
	char *s;
	int r;

	if (*text == '{')
		r = asprintf(&s, "%s", text);
	else
		r = asprintf(&s, "%s%s%s}", start[kind], *text ? "," : "", text);
	assert_true(r >= 0);
	for (char *p = s; *p; p++)
		if (*p == '\'')
			*p = '"';
	return s;
}

/* Parse and throw away. */
static int parse(enum doc kind, const char *buf, size_t len, struct err *e)
{
	struct oci_resources res;
	struct oci_process p;
	struct oci_spec s;
	int r;

	switch (kind) {
	case CONFIG:
		r = oci_spec_parse(buf, len, &s, e);
		if (r == 0)
			oci_spec_done(&s);
		return r;
	case PROCESS:
		r = oci_process_parse(buf, len, &p, e);
		if (r == 0)
			oci_process_done(&p);
		return r;
	case RESOURCES:
		break;
	}
	r = oci_resources_parse(buf, len, &res, e);
	if (r == 0)
		oci_resources_done(&res);
	return r;
}

static void config(const char *text, struct oci_spec *ret)
{
	_cleanup_free_ char *doc = document(CONFIG, text);
	struct err e = { 0 };

	if (oci_spec_parse(doc, strlen(doc), ret, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
}

static void process(const char *text, struct oci_process *ret)
{
	_cleanup_free_ char *doc = document(PROCESS, text);
	struct err e = { 0 };

	if (oci_process_parse(doc, strlen(doc), ret, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
}

static void resources(const char *text, struct oci_resources *ret)
{
	_cleanup_free_ char *doc = document(RESOURCES, text);
	struct err e = { 0 };

	if (oci_resources_parse(doc, strlen(doc), ret, &e) < 0)
		fail_msg("%s: %s", text, e.msg);
}

/* ------------------------------------------------------------------ refusals */

struct refusal {
	enum doc doc;
	const char *text, *msg;
};

static void check_refusals(const struct refusal *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *doc = document(rows[i].doc, rows[i].text);
		struct err e = { 0 };
		int r;

		r = parse(rows[i].doc, doc, strlen(doc), &e);
		if (r != -EINVAL || strcmp(e.msg, rows[i].msg) != 0)
			fail_msg("%s\n  returned %d: %s\n  expected %d: %s", doc, r, e.msg, -EINVAL, rows[i].msg);
		assert_int_equal(e.code, EINVAL);
		/* an empty struct err must not be needed */
		assert_int_equal(parse(rows[i].doc, doc, strlen(doc), NULL), -EINVAL);
	}
}

#define LINUX(members) "'linux':{" members "}"

static void what_is_not_json_is_refused_with_its_place(void **state)
{
	static const struct refusal rows[] = {
		{ CONFIG, "{", "config.json: not JSON: line 1, column 2: the document ends inside an object" },
		{ CONFIG, "{} x",
		  "config.json: not JSON: line 1, column 4: something follows the end of the document" },
		{ CONFIG, "{\n\n'a':01}", "config.json: not JSON: line 3, column 6: ',' or '}' was expected" },
		{ CONFIG, "{'a':1,}", "config.json: not JSON: line 1, column 8: a name in quotes was expected" },
		{ CONFIG, "{'a':[1,]}", "config.json: not JSON: line 1, column 9: a value was expected" },
		{ CONFIG, "{'a':tru}", "config.json: not JSON: line 1, column 6: a value was expected" },
		{ CONFIG, "{'a' 1}", "config.json: not JSON: line 1, column 6: ':' was expected" },
		{ CONFIG, "{'a", "config.json: not JSON: line 1, column 2: the document ends inside a string" },
		{ CONFIG, "{'a':'\\u0000'}", "config.json: not JSON: line 1, column 7: \\u0000 is not allowed" },
		{ CONFIG, "{'a':'\\ud800'}", "config.json: not JSON: line 1, column 7: half of a surrogate pair" },
		{ CONFIG, "{'a':'\\x'}", "config.json: not JSON: line 1, column 7: unknown escape in a string" },
		{ CONFIG, "{'a':'\n'}", "config.json: not JSON: line 1, column 7: control character in a string" },
		{ CONFIG, "{'a':'\xc0\x80'}",
		  "config.json: not JSON: line 1, column 6: a string is not valid UTF-8" },
		{ CONFIG, "{'\xff':1}", "config.json: not JSON: line 1, column 2: a name is not valid UTF-8" },
		{ CONFIG, "{'a':18446744073709551616}",
		  "config.json: not JSON: line 1, column 6: a number is too big" },
		{ CONFIG, "{'a':-9223372036854775809}",
		  "config.json: not JSON: line 1, column 6: a number is too big" },
		{ CONFIG, "{'a':1,'\\u0061':2}",
		  "config.json: not JSON: line 1, column 8: two members of one object have "
		  "the same name: remove one" },
		{ PROCESS, "{'user':{'uid':1,'uid':2}}",
		  "process.json: not JSON: line 1, column 18: two members of one object have the same name: remove one" },
		{ RESOURCES, "{'a':\x01}", "resources: not JSON: line 1, column 6: a value was expected" },
	};
	struct err e = { 0 };

	(void)state;
	check_refusals(rows, ARRAY_SIZE(rows));
	assert_int_equal(parse(CONFIG, "[]", 2, &e), -EINVAL);
	assert_string_equal(e.msg, "config.json: must be an object, got an array");
	assert_int_equal(parse(CONFIG, "", 0, &e), -EINVAL);
	assert_int_equal(parse(CONFIG, "{\"a\":\"\0\"}", 9, &e), -EINVAL);
	assert_int_equal(parse(CONFIG, "{}\0", 3, &e), -EINVAL);
	assert_int_equal(parse(CONFIG, "{\"a\":\"\xff\"}", 9, &e), -EINVAL);
}

static void size_depth_and_number_of_values_are_bounded(void **state)
{
	size_t big = OCI_CONFIG_MAX + 1;
	_cleanup_free_ char *buf = malloc(big);
	struct err e = { 0 };
	char deep[200];

	(void)state;
	assert_non_null(buf);
	memset(buf, ' ', big);
	memcpy(buf, "{}", 2);
	assert_int_equal(parse(CONFIG, buf, big, &e), -EFBIG);
	assert_string_equal(e.msg, "config.json: 16777217 bytes are more than the limit of 16777216");
	assert_int_equal(parse(CONFIG, buf, big - 1, &e), -EINVAL);
	assert_string_equal(e.msg, "config.json: ociVersion: is missing: the runtime-spec requires it");

	memcpy(buf, "{\"a\":[", 6);
	for (size_t i = 0; i < 300000; i++)
		memcpy(buf + 6 + 2 * i, "1,", 2);
	assert_int_equal(parse(CONFIG, buf, 600000, &e), -EFBIG);
	assert_string_equal(e.msg, "config.json: more than 262144 values");

	/* 64 levels with the object around them, then 65; brackets in strings do not count */
	for (int n = 63; n <= 64; n++) {
		(void)snprintf(deep, sizeof deep, "{\"a\":%.*s%.*s}", n,
			       "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", n,
			       "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]");
		assert_int_equal(parse(CONFIG, deep, strlen(deep), &e), -EINVAL);
		assert_string_equal(e.msg,
				    n == 63 ? "config.json: ociVersion: is missing: the runtime-spec requires it"
					    : "config.json: arrays and objects are nested over 64 levels");
	}
	(void)snprintf(deep, sizeof deep, "{\"a\":\"%s\"}",
		       "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
	assert_int_equal(parse(RESOURCES, deep, strlen(deep), &e), 0);
}

static void missing_required_members_are_named(void **state)
{
#define MISSING(path) "config.json: " path ": is missing: the runtime-spec requires it"
	static const struct refusal rows[] = {
		{ CONFIG, "{}", MISSING("ociVersion") },
		{ CONFIG, "{'ociVersion':null}", MISSING("ociVersion") },
		{ CONFIG, "{'ociVersion':'1.0.0'}", MISSING("root") },
		{ CONFIG, "{'ociVersion':'1.0.0','root':{}}", MISSING("root.path") },
		{ CONFIG, "{'ociVersion':'1.0.0','root':{'path':''}}",
		  "config.json: root.path: must not be empty" },
		{ CONFIG, "'mounts':[{'destination':'/a'},{'type':'tmpfs'}]", MISSING("mounts[1].destination") },
		{ CONFIG, "'process':{'cwd':'/'}", MISSING("process.args") },
		{ CONFIG, "'process':{'cwd':'/','args':[]}",
		  "config.json: process.args: must name the program to run, got an empty array" },
		{ CONFIG, "'process':{'args':['a']}", MISSING("process.cwd") },
		{ CONFIG, "'process':{'args':['a'],'cwd':'/','user':{'gid':0}}", MISSING("process.user.uid") },
		{ CONFIG, "'process':{'args':['a'],'cwd':'/','user':{'uid':0}}", MISSING("process.user.gid") },
		{ CONFIG, "'hooks':{'poststop':[{}]}", MISSING("hooks.poststop[0].path") },
		{ CONFIG, LINUX("'namespaces':[{}]"), MISSING("linux.namespaces[0].type") },
		{ CONFIG, LINUX("'uidMappings':[{'hostID':0,'size':1}]"),
		  MISSING("linux.uidMappings[0].containerID") },
		{ CONFIG, LINUX("'devices':[{'type':'c','major':1,'minor':1}]"),
		  MISSING("linux.devices[0].path") },
		{ CONFIG, LINUX("'devices':[{'path':'/a','type':'c','minor':1}]"),
		  MISSING("linux.devices[0].major") },
		{ CONFIG, LINUX("'seccomp':{}"), MISSING("linux.seccomp.defaultAction") },
		{ CONFIG,
		  LINUX("'seccomp':{'defaultAction':'SCMP_ACT_ALLOW','syscalls':[{'action':'SCMP_ACT_LOG'}]}"),
		  MISSING("linux.seccomp.syscalls[0].names") },
		{ CONFIG, LINUX("'personality':{}"), MISSING("linux.personality.domain") },
		{ PROCESS, "{'args':['sh']}", "process.json: cwd: is missing: the runtime-spec requires it" },
		{ PROCESS, "'rlimits':[{'type':'RLIMIT_CPU','soft':1}]",
		  "process.json: rlimits[0].hard: is missing: the runtime-spec requires it" },
		{ PROCESS, "'scheduler':{}",
		  "process.json: scheduler.policy: is missing: the runtime-spec requires it" },
		{ RESOURCES, "'devices':[{}]",
		  "resources: devices[0].allow: is missing: the runtime-spec requires it" },
		{ RESOURCES, "'hugepageLimits':[{'pageSize':'2MB'}]",
		  "resources: hugepageLimits[0].limit: is missing: the runtime-spec requires it" },
	};

	(void)state;
	check_refusals(rows, ARRAY_SIZE(rows));
}

static void wrong_types_are_named_with_what_was_found(void **state)
{
	static const struct refusal rows[] = {
		{ CONFIG, "{'ociVersion':1}", "config.json: ociVersion: must be a string, got 1" },
		{ CONFIG, "'process':{'args':['a'],'cwd':'/','user':{'uid':'0','gid':0}}",
		  "config.json: process.user.uid: must be an integer from 0 to 4294967295, got a string" },
		{ CONFIG, LINUX("'resources':{'memory':{'limit':'64m'}}"),
		  "config.json: linux.resources.memory.limit: must be an integer, got a string" },
		{ CONFIG, LINUX("'resources':{'pids':{'limit':'1'}}"),
		  "config.json: linux.resources.pids.limit: must be an integer, got a string" },
		{ CONFIG, "'process':[]", "config.json: process: must be an object, got an array" },
		{ CONFIG, "'mounts':{}", "config.json: mounts: must be an array, got an object" },
		{ CONFIG, "'mounts':[null]", "config.json: mounts[0]: must be an object, got null" },
		{ CONFIG, "'mounts':[{'destination':'/a','options':['ro',1]}]",
		  "config.json: mounts[0].options[1]: must be a string, got 1" },
		{ CONFIG, "'annotations':[]", "config.json: annotations: must be an object, got an array" },
		{ CONFIG, "'annotations':{'a.b':true}",
		  "config.json: annotations['a.b']: must be a string, got a boolean" },
		{ CONFIG, "'annotations':{'':'x'}", "config.json: annotations['']: the name must not be empty" },
		{ CONFIG, "'hostname':18446744073709551615",
		  "config.json: hostname: must be a string, got 18446744073709551615" },
		{ CONFIG, LINUX("'namespaces':'pid'"),
		  "config.json: linux.namespaces: must be an array, got a string" },
		{ CONFIG, LINUX("'namespaces':['pid']"),
		  "config.json: linux.namespaces[0]: must be an object, got a string" },
		{ CONFIG, LINUX("'sysctl':{'a.b':1}"),
		  "config.json: linux.sysctl['a.b']: must be a string, got 1" },
		{ PROCESS, "'terminal':1", "process.json: terminal: must be true or false, got 1" },
		{ PROCESS, "'env':[null]", "process.json: env[0]: must be a string, got null" },
		{ PROCESS, "'env':{}", "process.json: env: must be an array, got an object" },
		{ PROCESS, "'capabilities':['CAP_KILL']",
		  "process.json: capabilities: must be an object, got an array" },
		{ PROCESS, "'oomScoreAdj':1.5",
		  "process.json: oomScoreAdj: must be an integer from -1000 to 1000, got a number with a fraction or an "
		  "exponent" },
		{ PROCESS, "'user':{'uid':0,'gid':0,'additionalGids':7}",
		  "process.json: user.additionalGids: must be an array, got 7" },
		{ PROCESS, "'capabilities':{'bounding':'CAP_KILL'}",
		  "process.json: capabilities.bounding: must be an array, got a string" },
		{ PROCESS, "'rlimits':[{'type':'RLIMIT_CPU','soft':'1','hard':1}]",
		  "process.json: rlimits[0].soft: must be an integer, got a string" },
		{ PROCESS, "'user':{'uid':0,'gid':0,'additionalGids':[-1]}",
		  "process.json: user.additionalGids[0]: must be an integer from 0 to 4294967295, got -1" },
		{ RESOURCES, "'rdma':{'mlx':1}", "resources: rdma['mlx']: must be an object, got 1" },
	};

	(void)state;
	check_refusals(rows, ARRAY_SIZE(rows));
}

static void numbers_out_of_range_are_refused(void **state)
{
	static const struct refusal rows[] = {
		{ PROCESS, "'user':{'uid':4294967296,'gid':0}",
		  "process.json: user.uid: must be an integer from 0 to 4294967295, got 4294967296" },
		{ PROCESS, "'user':{'uid':0,'gid':18446744073709551615}",
		  "process.json: user.gid: must be an integer from 0 to 4294967295, got 18446744073709551615" },
		{ PROCESS, "'user':{'uid':0,'gid':0,'umask':512}",
		  "process.json: user.umask: must be an integer from 0 to 511, got 512" },
		{ PROCESS, "'consoleSize':{'height':65536}",
		  "process.json: consoleSize.height: must be an integer from 0 to 65535, got 65536" },
		{ PROCESS, "'oomScoreAdj':-1001",
		  "process.json: oomScoreAdj: must be an integer from -1000 to 1000, got -1001" },
		{ PROCESS, "'rlimits':[{'type':'RLIMIT_CPU','soft':-1,'hard':1}]",
		  "process.json: rlimits[0].soft: must be an integer from 0 to 18446744073709551615, got -1" },
		{ PROCESS, "'rlimits':[{'type':'RLIMIT_CPU','soft':2,'hard':1}]",
		  "process.json: rlimits[0]: the soft limit 2 is above the hard limit 1: lower it" },
		{ PROCESS, "'scheduler':{'policy':'SCHED_OTHER','nice':20}",
		  "process.json: scheduler.nice: must be an integer from -20 to 19, got 20" },
		{ PROCESS, "'ioPriority':{'class':'IOPRIO_CLASS_BE','priority':8}",
		  "process.json: ioPriority.priority: must be an integer from 0 to 7, got 8" },
		{ RESOURCES, "'memory':{'limit':-2}",
		  "resources: memory.limit: must be an integer from -1 to 9223372036854775807, got -2" },
		{ RESOURCES, "'memory':{'limit':9223372036854775808}",
		  "resources: memory.limit: must be an integer from -1 to 9223372036854775807, got 9223372036854775808" },
		{ RESOURCES, "'memory':{'swappiness':201}",
		  "resources: memory.swappiness: must be an integer from 0 to 200, got 201" },
		{ RESOURCES, "'cpu':{'idle':2}", "resources: cpu.idle: must be an integer from 0 to 1, got 2" },
		{ RESOURCES, "'blockIO':{'weight':1001}",
		  "resources: blockIO.weight: must be an integer from 0 to 1000, got 1001" },
		{ RESOURCES, "'devices':[{'allow':true,'major':-2}]",
		  "resources: devices[0].major: must be an integer from -1 to 4095, got -2" },
		{ CONFIG, LINUX("'devices':[{'path':'/a','type':'b','major':8,'minor':1048576}]"),
		  "config.json: linux.devices[0].minor: must be an integer from 0 to 1048575, got 1048576" },
		{ CONFIG, LINUX("'uidMappings':[{'containerID':0,'hostID':0,'size':0}]"),
		  "config.json: linux.uidMappings[0].size: must be an integer from 1 to 4294967295, got 0" },
		{ CONFIG, LINUX("'gidMappings':[{'containerID':0,'hostID':1,'size':4294967295}]"),
		  "config.json: linux.gidMappings[0]: the range ends above id 4294967294: make it smaller" },
		{ CONFIG, LINUX("'timeOffsets':{'boottime':{'nanosecs':1000000000}}"),
		  "config.json: linux.timeOffsets.boottime.nanosecs: must be an integer from 0 to 999999999, got "
		  "1000000000" },
		{ CONFIG, LINUX("'seccomp':{'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':65536}"),
		  "config.json: linux.seccomp.defaultErrnoRet: must be an integer from 0 to 65535, got 65536" },
		{ CONFIG,
		  LINUX("'seccomp':{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[{'names':['a'],'action':"
			"'SCMP_ACT_LOG','args':[{'index':6,'value':0,'op':'SCMP_CMP_EQ'}]}]}"),
		  "config.json: linux.seccomp.syscalls[0].args[0].index: must be an integer from 0 to 5, got 6" },
		{ CONFIG, "'hooks':{'prestart':[{'path':'/a','timeout':-1}]}",
		  "config.json: hooks.prestart[0].timeout: must be an integer from 0 to 2147483647, got -1" },
		{ CONFIG, "'hostname':'aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggggg'",
		  "config.json: hostname: must not be longer than 64 bytes, got 65" },
	};

	(void)state;
	check_refusals(rows, ARRAY_SIZE(rows));
}

static void relative_paths_are_refused_where_the_spec_wants_absolute_ones(void **state)
{
	static const struct refusal rows[] = {
		{ PROCESS, "{'args':['a'],'cwd':'tmp'}",
		  "process.json: cwd: must be an absolute path, got 'tmp'" },
		{ CONFIG, LINUX("'namespaces':[{'type':'pid','path':'proc/1/ns/pid'}]"),
		  "config.json: linux.namespaces[0].path: must be an absolute path, got 'proc/1/ns/pid'" },
		{ CONFIG, LINUX("'devices':[{'path':'dev/x','type':'p'}]"),
		  "config.json: linux.devices[0].path: must be an absolute path, got 'dev/x'" },
		{ CONFIG, LINUX("'maskedPaths':['/proc/keys','x']"),
		  "config.json: linux.maskedPaths[1]: must be an absolute path, got 'x'" },
		{ CONFIG, LINUX("'readonlyPaths':['']"),
		  "config.json: linux.readonlyPaths[0]: must be an absolute path, got ''" },
		{ CONFIG, "'hooks':{'poststart':[{'path':'a'}]}",
		  "config.json: hooks.poststart[0].path: must be an absolute path, got 'a'" },
	};

	(void)state;
	check_refusals(rows, ARRAY_SIZE(rows));
}

static void unknown_names_are_refused_with_the_known_ones(void **state)
{
	static const struct refusal rows[] = {
		{ CONFIG, LINUX("'namespaces':[{'type':'net'}]"),
		  "config.json: linux.namespaces[0].type: unknown namespace 'net': use one of pid, network, mount, ipc, "
		  "uts, user, cgroup, time" },
		{ PROCESS, "'rlimits':[{'type':'NOFILE','soft':1,'hard':1}]",
		  "process.json: rlimits[0].type: unknown rlimit 'NOFILE': use one of RLIMIT_AS, RLIMIT_CORE, RLIMIT_CPU, "
		  "RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_LOCKS, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_NOFILE, "
		  "RLIMIT_NPROC, RLIMIT_RSS, RLIMIT_RTPRIO, RLIMIT_RTTIME, RLIMIT_SIGPENDING, RLIMIT_STACK" },
		{ PROCESS, "'capabilities':{'bounding':['CAP_KILL','KILL']}",
		  "process.json: capabilities.bounding[1]: 'KILL' is not a capability: names start with CAP_" },
		{ PROCESS, "'capabilities':{'ambient':['']}",
		  "process.json: capabilities.ambient[0]: '' is not a capability: names start with CAP_" },
		{ CONFIG, "'hooks':{'preStart':[]}",
		  "config.json: hooks: unknown hook 'preStart': use one of prestart, createRuntime, createContainer, "
		  "startContainer, poststart, poststop" },
		{ PROCESS, "'scheduler':{'policy':'FIFO'}",
		  "process.json: scheduler.policy: unknown scheduler policy 'FIFO': use one of SCHED_OTHER, SCHED_FIFO, "
		  "SCHED_RR, SCHED_BATCH, SCHED_ISO, SCHED_IDLE, SCHED_DEADLINE" },
		{ PROCESS, "'scheduler':{'policy':'SCHED_RR','flags':['X']}",
		  "process.json: scheduler.flags[0]: unknown scheduler flag 'X': use one of SCHED_FLAG_RESET_ON_FORK, "
		  "SCHED_FLAG_RECLAIM, SCHED_FLAG_DL_OVERRUN, SCHED_FLAG_KEEP_POLICY, SCHED_FLAG_KEEP_PARAMS, "
		  "SCHED_FLAG_UTIL_CLAMP_MIN, SCHED_FLAG_UTIL_CLAMP_MAX" },
		{ PROCESS, "'ioPriority':{'class':'BE'}",
		  "process.json: ioPriority.class: unknown I/O class 'BE': use one of IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, "
		  "IOPRIO_CLASS_IDLE" },
		{ CONFIG, LINUX("'timeOffsets':{'realtime':{}}"),
		  "config.json: linux.timeOffsets: unknown clock 'realtime': use one of boottime, monotonic" },
		{ CONFIG, LINUX("'rootfsPropagation':'both'"),
		  "config.json: linux.rootfsPropagation: unknown propagation 'both': use one of private, rprivate, shared, "
		  "rshared, slave, rslave, unbindable, runbindable" },
		{ CONFIG, LINUX("'devices':[{'path':'/a','type':'x'}]"),
		  "config.json: linux.devices[0].type: unknown device type 'x': use one of c, b, u, p" },
		{ CONFIG, LINUX("'personality':{'domain':'BSD'}"),
		  "config.json: linux.personality.domain: unknown domain 'BSD': use one of LINUX, LINUX32" },
		{ CONFIG, LINUX("'personality':{'domain':'LINUX','flags':['X']}"),
		  "config.json: linux.personality.flags: the runtime-spec defines no flags: leave it out" },
		{ CONFIG, LINUX("'seccomp':{'defaultAction':'ALLOW'}"),
		  "config.json: linux.seccomp.defaultAction: unknown seccomp action 'ALLOW': use one of SCMP_ACT_KILL, "
		  "SCMP_ACT_KILL_PROCESS, SCMP_ACT_KILL_THREAD, SCMP_ACT_TRAP, SCMP_ACT_ERRNO, SCMP_ACT_TRACE, "
		  "SCMP_ACT_ALLOW, SCMP_ACT_LOG, SCMP_ACT_NOTIFY" },
		{ CONFIG,
		  LINUX("'seccomp':{'defaultAction':'SCMP_ACT_ERRNO','syscalls':[{'names':['a'],'action':"
			"'SCMP_ACT_LOG','args':[{'index':1,'value':0,'op':'EQ'}]}]}"),
		  "config.json: linux.seccomp.syscalls[0].args[0].op: unknown comparison 'EQ': use one of SCMP_CMP_NE, "
		  "SCMP_CMP_LT, SCMP_CMP_LE, SCMP_CMP_EQ, SCMP_CMP_GE, SCMP_CMP_GT, SCMP_CMP_MASKED_EQ" },
		{ RESOURCES, "'devices':[{'allow':true,'type':'p'}]",
		  "resources: devices[0].type: unknown device type 'p': use one of a, b, c" },
	};

	(void)state;
	check_refusals(rows, ARRAY_SIZE(rows));
}

static void values_that_break_a_rule_are_refused(void **state)
{
	static const struct refusal rows[] = {
		{ CONFIG, "{'ociVersion':'2.0.0'}",
		  "config.json: ociVersion: '2.0.0' is not supported: this runtime implements runtime-spec 1.x" },
		{ CONFIG, "{'ociVersion':'1.0'}",
		  "config.json: ociVersion: '1.0' is not supported: this runtime implements runtime-spec 1.x" },
		{ CONFIG, "{'ociVersion':'11.0.0'}",
		  "config.json: ociVersion: '11.0.0' is not supported: this runtime implements runtime-spec 1.x" },
		{ CONFIG, LINUX("'namespaces':[{'type':'pid'},{'type':'ipc'},{'type':'pid'}]"),
		  "config.json: linux.namespaces[2]: the pid namespace is given twice: remove one" },
		{ PROCESS,
		  "'rlimits':[{'type':'RLIMIT_CPU','soft':1,'hard':1},{'type':'RLIMIT_CPU','soft':2,'hard':2}]",
		  "process.json: rlimits[1]: RLIMIT_CPU is given twice: remove one" },
		{ CONFIG, LINUX("'sysctl':{'net.a.b':'1','kernel.x':'1','net/a/b':'2'}"),
		  "config.json: linux.sysctl: 'net/a/b' is given twice, once with '.' and once with '/': remove one" },
		{ CONFIG, LINUX("'sysctl':{'kernel..x':'1'}"),
		  "config.json: linux.sysctl['kernel..x']: is not the name of a sysctl: write it like 'net.ipv4.ip_forward'" },
		{ CONFIG, LINUX("'sysctl':{'/etc':'1'}"),
		  "config.json: linux.sysctl['/etc']: is not the name of a sysctl: write it like 'net.ipv4.ip_forward'" },
		{ PROCESS, "'execCPUAffinity':{'initial':'3-1'}",
		  "process.json: execCPUAffinity.initial: '3-1' is not a list of CPUs: write it like '0-3,7'" },
		{ RESOURCES, "'cpu':{'cpus':'0,'}",
		  "resources: cpu.cpus: '0,' is not a list of numbers: write it like '0-3,7'" },
		{ RESOURCES, "'cpu':{'mems':'a'}",
		  "resources: cpu.mems: 'a' is not a list of numbers: write it like '0-3,7'" },
		{ RESOURCES, "'devices':[{'allow':true,'access':'rx'}]",
		  "resources: devices[0].access: must be made of the letters r, w and m, got 'rx'" },
		{ RESOURCES, "'hugepageLimits':[{'pageSize':'2mb','limit':0}]",
		  "resources: hugepageLimits[0].pageSize: '2mb' is not a page size: write it like '2MB' or '1GB'" },
		{ RESOURCES, "'hugepageLimits':[{'pageSize':'2MB/../x','limit':0}]",
		  "resources: hugepageLimits[0].pageSize: '2MB/../x' is not a page size: write it like '2MB' or '1GB'" },
		{ RESOURCES, "'unified':{'../memory.max':'1'}",
		  "resources: unified['../memory.max']: is not the name of a cgroup file: write it like 'memory.high', "
		  "without '/'" },
		{ RESOURCES, "'unified':{'..':'1'}",
		  "resources: unified['..']: is not the name of a cgroup file: write it like 'memory.high', without '/'" },
		{ RESOURCES, "'unified':{'tasks':'1'}",
		  "resources: unified['tasks']: is not the name of a cgroup file: write it like 'memory.high', without '/'" },
		{ CONFIG,
		  LINUX("'seccomp':{'defaultAction':'SCMP_ACT_LOG','syscalls':[{'names':[],'action':'SCMP_ACT_LOG'}]}"),
		  "config.json: linux.seccomp.syscalls[0].names: must name at least one system call, got an empty array" },
	};

	(void)state;
	check_refusals(rows, ARRAY_SIZE(rows));
}

static void unsupported_members_are_refused_by_name(void **state)
{
	static const struct {
		const char *text, *path;
	} rows[] = {
		{ "'vm':{}", "vm" },
		{ "'windows':{}", "windows" },
		{ "'solaris':{}", "solaris" },
		{ "'zos':{}", "zos" },
		{ LINUX("'intelRdt':{}"), "linux.intelRdt" },
		{ LINUX("'memoryPolicy':{}"), "linux.memoryPolicy" },
		{ LINUX("'netDevices':{}"), "linux.netDevices" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char msg[200];

		(void)snprintf(msg, sizeof msg, "config.json: %s: is not supported by this runtime: leave it out",
			       rows[i].path);
		check_refusals(&(struct refusal){ CONFIG, rows[i].text, msg }, 1);
	}
}

static void hostile_text_is_printed_as_one_short_line(void **state)
{
	static const struct refusal rows[] = {
		{ CONFIG, "'annotations':{'a\\n\\u001b[31m':1}",
		  "config.json: annotations['a??[31m']: must be a string, got 1" },
		{ PROCESS,
		  "{'args':['x'],'cwd':'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}",
		  "process.json: cwd: must be an absolute path, got "
		  "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'" },
	};

	(void)state;
	check_refusals(rows, ARRAY_SIZE(rows));
}

/* ------------------------------------------------------------------ what is accepted */

static void null_and_empty_members_are_absent(void **state)
{
	struct oci_spec s;

	(void)state;
	config("'process':{'args':['sh'],'cwd':'/','user':null,'rlimits':null,'env':null,'capabilities':null,"
	       "'apparmorProfile':'','oomScoreAdj':null,'consoleSize':null,'scheduler':null},"
	       "'hostname':'','mounts':null,'annotations':null,'vm':null,"
	       "'hooks':{'prestart':null,'unknown':null,'poststop':[{'path':'/h','args':null,'env':null}]},"
	       "'linux':{'namespaces':null,'devices':null,'maskedPaths':null,'sysctl':null,'seccomp':null,"
	       "'rootfsPropagation':'','cgroupsPath':'','resources':{'devices':null,'memory':null,'cpu':{'cpus':''},"
	       "'unified':null,'hugepageLimits':[]}}",
	       &s);
	assert_true(s.has_process);
	assert_int_equal(s.process.n_rlimits, 0);
	assert_int_equal(s.process.env.n, 0);
	assert_false(s.process.caps.present);
	assert_null(s.process.apparmor_profile);
	assert_false(s.process.has_oom_score_adj);
	assert_false(s.process.scheduler.present);
	assert_null(s.hostname);
	assert_int_equal(s.n_mounts, 0);
	assert_int_equal(s.prestart.n, 0);
	assert_int_equal(s.poststop.n, 1);
	assert_int_equal(s.poststop.v[0].env.n, 0);
	assert_false(s.linux_.seccomp.present);
	assert_null(s.linux_.rootfs_propagation);
	assert_null(s.linux_.cgroups_path);
	assert_null(s.linux_.resources.cpus);
	oci_spec_done(&s);

	config("'process':null,'linux':null", &s);
	assert_false(s.has_process);
	for (int i = 0; i < OCI_NS_COUNT; i++)
		assert_false(s.linux_.ns[i].present);
	oci_spec_done(&s);
}

static void unknown_members_are_ignored(void **state)
{
	struct oci_spec s;

	(void)state;
	config("'x':{'y':[1,2]},'Linux':1,'process':{'args':['a'],'cwd':'/','selinux':1,'user':{'uid':1,'gid':2,"
	       "'username':3}},'linux':{'newThing':true,'resources':{'oomScoreAdj':1}}",
	       &s);
	assert_int_equal(s.process.user.uid, 1);
	assert_int_equal(s.process.user.gid, 2);
	oci_spec_done(&s);
}

static void the_top_level_lands_in_the_struct(void **state)
{
	struct oci_spec s;

	(void)state;
	config("{'ociVersion':'1.2.0-rc.1+x','root':{'path':'/r','readonly':true},'hostname':'h','domainname':'d',"
	       "'mounts':[{'destination':'proc','type':'proc','source':'p','options':['ro','nosuid'],"
	       "'uidMappings':[{'containerID':1,'hostID':2,'size':3}],'gidMappings':[]},{'destination':'/x'}],"
	       "'hooks':{'createRuntime':[{'path':'/a','args':['a','b'],'env':['K=V'],'timeout':5}],'startContainer':[]},"
	       "'annotations':{'k.1':'v1','k.2':''}}",
	       &s);
	assert_string_equal(s.version, "1.2.0-rc.1+x");
	assert_string_equal(s.root_path, "/r");
	assert_true(s.root_readonly);
	assert_string_equal(s.hostname, "h");
	assert_string_equal(s.domainname, "d");
	assert_int_equal(s.n_mounts, 2);
	assert_string_equal(s.mounts[0].destination, "proc");
	assert_string_equal(s.mounts[0].options.v[1], "nosuid");
	assert_int_equal(s.mounts[0].uid_mappings.n, 1);
	assert_int_equal(s.mounts[0].uid_mappings.v[0].host, 2);
	assert_null(s.mounts[1].type);
	assert_null(s.mounts[1].source);
	assert_int_equal(s.create_runtime.n, 1);
	assert_string_equal(s.create_runtime.v[0].args.v[1], "b");
	assert_int_equal(s.create_runtime.v[0].timeout, 5);
	assert_int_equal(s.start_container.n, 0);
	assert_int_equal(s.n_annotations, 2);
	assert_string_equal(s.annotations[0].key, "k.1");
	assert_string_equal(s.annotations[1].value, "");
	oci_spec_done(&s);
	assert_null(s.json);
	oci_spec_done(&s);
}

static void the_process_lands_in_the_struct(void **state)
{
	struct oci_process p;

	(void)state;
	process("'terminal':true,'consoleSize':{'height':24,'width':80},'noNewPrivileges':true,'oomScoreAdj':-5,"
		"'user':{'uid':4294967295,'gid':7,'umask':18,'additionalGids':[5,6]},'env':['A=1','\\u0001x'],"
		"'capabilities':{'bounding':['CAP_CHOWN','cap_checkpoint_restore','CAP_FROM_THE_FUTURE'],'ambient':null},"
		"'rlimits':[{'type':'RLIMIT_NOFILE','soft':1024,'hard':18446744073709551615}],"
		"'scheduler':{'policy':'SCHED_DEADLINE','flags':['SCHED_FLAG_RECLAIM','SCHED_FLAG_RESET_ON_FORK'],"
		"'runtime':1,'deadline':2,'period':3,'nice':-20},'apparmorProfile':'a','selinuxLabel':'s',"
		"'ioPriority':{'class':'IOPRIO_CLASS_IDLE','priority':7},"
		"'execCPUAffinity':{'initial':'0-3,7','final':'1'}",
		&p);
	assert_non_null(p.json);
	assert_true(p.terminal && p.no_new_privileges && p.has_oom_score_adj);
	assert_int_equal(p.console_height, 24);
	assert_int_equal(p.console_width, 80);
	assert_int_equal(p.oom_score_adj, -5);
	assert_true(p.user.uid == UINT32_MAX && p.user.gid == 7 && p.user.has_umask && p.user.umask == 022);
	assert_true(p.user.n_additional_gids == 2 && p.user.additional_gids[1] == 6);
	assert_string_equal(p.env.v[1], "\x01x");
	assert_true(p.caps.present);
	assert_true(p.caps.bounding == ((UINT64_C(1) << CAP_CHOWN) | (UINT64_C(1) << CAP_CHECKPOINT_RESTORE)));
	assert_true(p.caps.ambient == 0);
	assert_true(p.n_rlimits == 1 && p.rlimits[0].resource == RLIMIT_NOFILE && p.rlimits[0].soft == 1024);
	assert_true(p.rlimits[0].hard == UINT64_MAX);
	assert_true(p.scheduler.present && p.scheduler.policy == 6 && p.scheduler.flags == 3);
	assert_true(p.scheduler.runtime == 1 && p.scheduler.deadline == 2 && p.scheduler.period == 3);
	assert_int_equal(p.scheduler.nice, -20);
	assert_true(p.has_io_priority && p.io_class == 3 && p.io_level == 7);
	assert_true(p.has_exec_cpu_affinity);
	assert_string_equal(p.cpu_affinity_initial, "0-3,7");
	assert_string_equal(p.cpu_affinity_final, "1");
	oci_process_done(&p);
	oci_process_done(&p);
}

static void the_linux_object_lands_in_the_struct(void **state)
{
	struct oci_spec s;
	const struct oci_linux *l = &s.linux_;

	(void)state;
	config(LINUX("'namespaces':[{'type':'network','path':'/proc/1/ns/net'},{'type':'user','path':''}],"
		     "'uidMappings':[{'containerID':0,'hostID':100000,'size':65536}],"
		     "'gidMappings':[{'containerID':0,'hostID':4294967294,'size':1}],"
		     "'timeOffsets':{'boottime':{'secs':-5,'nanosecs':999999999},'monotonic':{'secs':7}},"
		     "'devices':[{'path':'/dev/a','type':'u','major':1,'minor':2,'fileMode':8630,'uid':0,'gid':5},"
		     "{'path':'/dev/p','type':'p'}],'cgroupsPath':'system.slice:docker:abc','rootfsPropagation':'rslave',"
		     "'maskedPaths':['/proc/keys'],'readonlyPaths':[],'mountLabel':'m',"
		     "'sysctl':{'net.ipv4.ip_forward':'1'},'personality':{'domain':'LINUX32','flags':[]}"),
	       &s);
	assert_true(l->ns[OCI_NS_NETWORK].present && l->ns[OCI_NS_USER].present && !l->ns[OCI_NS_PID].present);
	assert_string_equal(l->ns[OCI_NS_NETWORK].path, "/proc/1/ns/net");
	assert_null(l->ns[OCI_NS_USER].path);
	assert_int_equal(l->uid_mappings.v[0].host, 100000);
	assert_true(l->gid_mappings.v[0].host == 4294967294u);
	assert_true(l->has_boottime_offset && l->has_monotonic_offset);
	assert_true(l->monotonic_secs == 7 && l->monotonic_nanosecs == 0);
	assert_true(l->boottime_secs == -5 && l->boottime_nanosecs == 999999999);
	assert_int_equal(l->n_devices, 2);
	assert_true(l->devices[0].type == 'u' && l->devices[0].major == 1 && l->devices[0].minor == 2);
	assert_true(l->devices[0].has_mode && l->devices[0].mode == 0666); /* without S_IFCHR */
	assert_true(l->devices[0].has_uid && l->devices[0].has_gid && l->devices[0].gid == 5);
	assert_true(l->devices[1].type == 'p' && !l->devices[1].has_mode);
	assert_string_equal(l->cgroups_path, "system.slice:docker:abc");
	assert_string_equal(l->rootfs_propagation, "rslave");
	assert_int_equal(l->masked_paths.n, 1);
	assert_int_equal(l->readonly_paths.n, 0);
	assert_string_equal(l->mount_label, "m");
	assert_string_equal(l->sysctl[0].key, "net.ipv4.ip_forward");
	assert_true(l->has_personality);
	assert_string_equal(l->personality_domain, "LINUX32");
	oci_spec_done(&s);
}

static void seccomp_lands_in_the_struct(void **state)
{
	struct oci_spec s;
	const struct oci_seccomp *c = &s.linux_.seccomp;

	(void)state;
	config(LINUX("'seccomp':{'defaultAction':'SCMP_ACT_ERRNO','defaultErrnoRet':38,'architectures':['SCMP_ARCH_X86'],"
		     "'flags':['SECCOMP_FILTER_FLAG_LOG'],'listenerPath':'/l','listenerMetadata':'m','syscalls':["
		     "{'names':['clone','read'],'action':'SCMP_ACT_ALLOW','args':[{'index':5,"
		     "'value':18446744073709551600,'valueTwo':9223372036854775808,'op':'SCMP_CMP_MASKED_EQ'}]},"
		     "{'names':['clone3'],'action':'SCMP_ACT_ERRNO','errnoRet':1,'args':null}]}"),
	       &s);
	assert_true(c->present && json_is_object(c->json));
	assert_string_equal(c->default_action, "SCMP_ACT_ERRNO");
	assert_true(c->has_default_errno && c->default_errno == 38);
	assert_string_equal(c->architectures.v[0], "SCMP_ARCH_X86");
	assert_string_equal(c->flags.v[0], "SECCOMP_FILTER_FLAG_LOG");
	assert_string_equal(c->listener_path, "/l");
	assert_string_equal(c->listener_metadata, "m");
	assert_int_equal(c->n_rules, 2);
	assert_string_equal(c->rules[0].names.v[1], "read");
	assert_false(c->rules[0].has_errno);
	assert_int_equal(c->rules[0].args[0].index, 5);
	assert_true(c->rules[0].args[0].value == UINT64_C(18446744073709551600));
	assert_true(c->rules[0].args[0].value_two == UINT64_C(1) << 63);
	assert_string_equal(c->rules[0].args[0].op, "SCMP_CMP_MASKED_EQ");
	assert_true(c->rules[1].has_errno && c->rules[1].errno_ret == 1 && c->rules[1].n_args == 0);
	oci_spec_done(&s);
}

static void resources_land_in_the_struct(void **state)
{
	struct oci_resources r;

	(void)state;
	resources(
		"'devices':[{'allow':false,'access':'rwm'},{'allow':true,'type':'c','major':10,'minor':-1,'access':'mr'},"
		"{'allow':false,'type':'','access':''}],"
		"'memory':{'limit':1,'reservation':2,'swap':-1,'kernel':4,'kernelTCP':5,'swappiness':0,"
		"'disableOOMKiller':false,'useHierarchy':true,'checkBeforeUpdate':true},"
		"'cpu':{'shares':1,'quota':-1,'burst':0,'period':4,'realtimeRuntime':5,'realtimePeriod':6,'cpus':'0-1',"
		"'mems':'0','idle':0},'pids':{'limit':-1},"
		"'blockIO':{'weight':10,'leafWeight':20,'weightDevice':[{'major':8,'minor':1,'weight':30}],"
		"'throttleReadBpsDevice':[{'major':8,'minor':2,'rate':18446744073709551615}],"
		"'throttleWriteBpsDevice':[{'major':8,'minor':3,'rate':1}],"
		"'throttleReadIOPSDevice':[{'major':8,'minor':4,'rate':2}],"
		"'throttleWriteIOPSDevice':[{'major':8,'minor':5,'rate':3}]},"
		"'hugepageLimits':[{'pageSize':'64KB','limit':7}],"
		"'network':{'classID':1048577,'priorities':[{'name':'eth0','priority':500}]},"
		"'rdma':{'mlx5_1':{'hcaHandles':3}},'unified':{'memory.high':'max'}",
		&r);
	assert_int_equal(r.n_devices, 3);
	assert_true(!r.devices[0].allow && r.devices[0].type == 'a' && r.devices[0].major == -1);
	assert_true(r.devices[0].minor == -1 && r.devices[0].read && r.devices[0].write && r.devices[0].mknod);
	assert_true(r.devices[1].allow && r.devices[1].type == 'c' && r.devices[1].major == 10);
	assert_true(r.devices[1].minor == -1 && r.devices[1].read && !r.devices[1].write && r.devices[1].mknod);
	assert_true(r.devices[2].type == 'a' && r.devices[2].read && r.devices[2].write && r.devices[2].mknod);
	assert_true(r.has_mem_limit && r.mem_limit == 1 && r.has_mem_reservation && r.mem_reservation == 2);
	assert_true(r.has_mem_swap && r.mem_swap == -1 && r.has_mem_kernel && r.mem_kernel == 4);
	assert_true(r.has_mem_kernel_tcp && r.mem_kernel_tcp == 5 && r.has_swappiness && r.swappiness == 0);
	assert_true(r.has_disable_oom_killer && !r.disable_oom_killer && r.has_use_hierarchy && r.use_hierarchy);
	assert_true(r.has_check_before_update && r.check_before_update);
	assert_true(r.has_cpu_shares && r.cpu_shares == 1 && r.has_cpu_quota && r.cpu_quota == -1);
	assert_true(r.has_cpu_burst && r.cpu_burst == 0 && r.has_cpu_period && r.cpu_period == 4);
	assert_true(r.has_rt_runtime && r.rt_runtime == 5 && r.has_rt_period && r.rt_period == 6);
	assert_true(r.has_cpu_idle && r.cpu_idle == 0 && r.has_pids && r.pids_limit == -1);
	assert_string_equal(r.cpus, "0-1");
	assert_string_equal(r.mems, "0");
	assert_true(r.has_blkio_weight && r.blkio_weight == 10 && r.has_blkio_leaf_weight &&
		    r.blkio_leaf_weight == 20);
	assert_true(r.weight_device.n == 1 && r.weight_device.v[0].has_weight &&
		    r.weight_device.v[0].weight == 30);
	assert_false(r.weight_device.v[0].has_leaf_weight);
	assert_true(r.read_bps.v[0].minor == 2 && r.read_bps.v[0].rate == UINT64_MAX);
	assert_true(r.write_bps.v[0].minor == 3 && r.read_iops.v[0].minor == 4 && r.write_iops.v[0].minor == 5);
	assert_string_equal(r.hugetlb[0].page_size, "64KB");
	assert_true(r.hugetlb[0].limit == 7);
	assert_true(r.has_net_classid && r.net_classid == 1048577 && r.n_netprio == 1);
	assert_true(r.netprio[0].priority == 500);
	assert_string_equal(r.rdma[0].device, "mlx5_1");
	assert_true(r.rdma[0].has_handles && r.rdma[0].handles == 3 && !r.rdma[0].has_objects);
	assert_string_equal(r.unified[0].key, "memory.high");
	assert_string_equal(r.unified[0].value, "max");
	oci_resources_done(&r);
	oci_resources_done(&r);
}

static void numbers_by_which_engines_say_not_given_are_not_given(void **state)
{
	struct oci_resources r;

	(void)state;
	resources(
		"'memory':{'limit':0,'reservation':0,'swap':0,'kernel':0,'kernelTCP':0,'swappiness':18446744073709551615},"
		"'cpu':{'shares':0,'quota':0,'period':0,'realtimeRuntime':0,'realtimePeriod':0},'blockIO':{'weight':0},"
		"'pids':{'limit':0}",
		&r);
	assert_false(r.has_mem_limit || r.has_mem_reservation || r.has_mem_swap || r.has_mem_kernel);
	assert_false(r.has_mem_kernel_tcp || r.has_swappiness || r.swappiness);
	assert_false(r.has_cpu_shares || r.has_cpu_quota || r.has_cpu_period || r.has_rt_runtime ||
		     r.has_rt_period);
	assert_false(r.has_blkio_weight);
	assert_true(r.has_pids && r.pids_limit == 0); /* unlimited */
	oci_resources_done(&r);
}

static void a_failed_parse_leaves_the_output_alone(void **state)
{
	struct oci_spec s, before;

	(void)state;
	memset(&s, 0x5a, sizeof s);
	memcpy(&before, &s, sizeof s);
	assert_int_equal(oci_spec_parse("{}", 2, &s, NULL), -EINVAL);
	assert_memory_equal(&s, &before, sizeof s);
}

static void names_and_numbers_of_capabilities_and_namespaces_agree(void **state)
{
	(void)state;
	for (int i = 0; i <= CAP_LAST_CAP; i++)
		assert_int_equal(oci_cap_from_name(oci_cap_name(i)), i);
	assert_null(oci_cap_name(CAP_LAST_CAP + 1));
	assert_null(oci_cap_name(-1));
	assert_int_equal(oci_cap_from_name("CAP_SYS_ADMIN"), CAP_SYS_ADMIN);
	assert_int_equal(oci_cap_from_name("cap_net_raw"), CAP_NET_RAW);
	assert_int_equal(oci_cap_from_name("CAP_AUDIT_READ"), CAP_AUDIT_READ);
	assert_int_equal(oci_cap_from_name("SYS_ADMIN"), -EINVAL);
	assert_int_equal(oci_cap_from_name(""), -EINVAL);
	for (int i = 0; i < OCI_NS_COUNT; i++)
		assert_non_null(oci_ns_name((enum oci_ns)i));
	assert_string_equal(oci_ns_name(OCI_NS_NETWORK), "network");
	assert_string_equal(oci_ns_name(OCI_NS_TIME), "time");
	assert_null(oci_ns_name(OCI_NS_COUNT));
}

static void what_real_engines_write_is_accepted(void **state)
{
	static const struct {
		const char *file;
		size_t n_mounts, n_rules, n_devices;
		uint64_t bounding;
	} rows[] = {
		{ "runc-spec.json", 7, 0, 1, 0x20000420 },
		{ "docker-20.10-plain.json", 10, 12, 8, 0xa80425fb },
		{ "docker-20.10-options.json", 12, 11, 10, UINT64_C(1) << CAP_NET_ADMIN },
	};
	_cleanup_close_ int dir = open(TEST_CORPUS_DIR "/oci-spec", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	assert_true(dir >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		_cleanup_free_ char *text = NULL;
		struct err e = { 0 };
		struct oci_spec s;
		size_t len;

		assert_int_equal(io_read_at(dir, rows[i].file, OCI_CONFIG_MAX, &text, &len), 0);
		if (oci_spec_parse(text, len, &s, &e) < 0)
			fail_msg("%s: %s", rows[i].file, e.msg);
		assert_int_equal(s.n_mounts, rows[i].n_mounts);
		assert_int_equal(s.linux_.seccomp.n_rules, rows[i].n_rules);
		assert_int_equal(s.linux_.resources.n_devices, rows[i].n_devices);
		assert_true(s.process.caps.bounding == rows[i].bounding);
		assert_true(s.linux_.ns[OCI_NS_PID].present && !s.linux_.ns[OCI_NS_USER].present);
		oci_spec_done(&s);
	}
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(what_is_not_json_is_refused_with_its_place),
		cmocka_unit_test(size_depth_and_number_of_values_are_bounded),
		cmocka_unit_test(missing_required_members_are_named),
		cmocka_unit_test(wrong_types_are_named_with_what_was_found),
		cmocka_unit_test(numbers_out_of_range_are_refused),
		cmocka_unit_test(relative_paths_are_refused_where_the_spec_wants_absolute_ones),
		cmocka_unit_test(unknown_names_are_refused_with_the_known_ones),
		cmocka_unit_test(values_that_break_a_rule_are_refused),
		cmocka_unit_test(unsupported_members_are_refused_by_name),
		cmocka_unit_test(hostile_text_is_printed_as_one_short_line),
		cmocka_unit_test(null_and_empty_members_are_absent),
		cmocka_unit_test(unknown_members_are_ignored),
		cmocka_unit_test(the_top_level_lands_in_the_struct),
		cmocka_unit_test(the_process_lands_in_the_struct),
		cmocka_unit_test(the_linux_object_lands_in_the_struct),
		cmocka_unit_test(seccomp_lands_in_the_struct),
		cmocka_unit_test(resources_land_in_the_struct),
		cmocka_unit_test(numbers_by_which_engines_say_not_given_are_not_given),
		cmocka_unit_test(a_failed_parse_leaves_the_output_alone),
		cmocka_unit_test(names_and_numbers_of_capabilities_and_namespaces_agree),
		cmocka_unit_test(what_real_engines_write_is_accepted),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
