/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that act on the whole host. Each is made with arguments that the kernel would refuse with another error
 * (or that change nothing) if it came to look at them, so that even where it is permitted nothing happens. Prints
 * "NAME ERRNO" (0: it was permitted); the test knows which of EPERM, EACCES, ENOSYS are right.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/keyctl.h>
#include <linux/netlink.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/klog.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static void say(const char *name, long r)
{
	printf("%s %s\n", name, r < 0 ? strerrorname_np(errno) : "0");
}

static long bpf(int cmd, union bpf_attr *a)
{
	return syscall(SYS_bpf, cmd, a, sizeof *a);
}

static void bpf_calls(void)
{
	/* Return 0: the smallest program there is. */
	struct bpf_insn insns[] = { { .code = 0xb7 }, { .code = 0x95 } };
	union bpf_attr a = { 0 };

	a.map_type = BPF_MAP_TYPE_HASH;
	a.key_size = a.value_size = 4;
	a.max_entries = 1;
	say("bpf_map_create", bpf(BPF_MAP_CREATE, &a));
	for (int type = 1; type < 32; type++) {
		char name[32];

		if (type == BPF_PROG_TYPE_SOCKET_FILTER || type == BPF_PROG_TYPE_CGROUP_SKB)
			continue; /* kernel.unprivileged_bpf_disabled decides */
		memset(&a, 0, sizeof a);
		a.prog_type = (unsigned)type;
		a.insns = (uint64_t)(uintptr_t)insns;
		a.insn_cnt = 2;
		a.license = (uint64_t)(uintptr_t) "GPL";
		(void)snprintf(name, sizeof name, "bpf_prog_load_%d", type);
		say(name, bpf(BPF_PROG_LOAD, &a));
	}
	memset(&a, 0, sizeof a);
	say("bpf_map_next_id", bpf(BPF_MAP_GET_NEXT_ID, &a));
	say("bpf_prog_next_id", bpf(BPF_PROG_GET_NEXT_ID, &a));
	say("bpf_link_next_id", bpf(BPF_LINK_GET_NEXT_ID, &a));
	say("bpf_btf_next_id", bpf(BPF_BTF_GET_NEXT_ID, &a));
}

static void perf_calls(void)
{
	struct perf_event_attr a = { .type = PERF_TYPE_SOFTWARE,
				     .size = sizeof a,
				     .config = PERF_COUNT_SW_CPU_CLOCK };

	say("perf_cpu_wide", syscall(SYS_perf_event_open, &a, -1, 0, -1, 0));
	a.type = PERF_TYPE_TRACEPOINT;
	say("perf_tracepoint", syscall(SYS_perf_event_open, &a, -1, 0, -1, 0));
}

static void time_calls(void)
{
	struct timespec ts;
	struct timeval tv;
	struct timex tx = { .modes = ADJ_TAI };
	struct timezone tz = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	(void)gettimeofday(&tv, NULL);
	say("settimeofday", syscall(SYS_settimeofday, &tv, NULL));
	say("settimezone", syscall(SYS_settimeofday, NULL, &tz));
	ts.tv_nsec = 0;
	say("clock_settime", syscall(SYS_clock_settime, CLOCK_REALTIME, &ts));
	say("adjtimex", syscall(SYS_adjtimex, &tx));
	say("clock_adjtime", syscall(SYS_clock_adjtime, CLOCK_REALTIME, &tx));
}

static void kernel_calls(void)
{
	char text[64];

	say("init_module", syscall(SYS_init_module, "", 0, ""));
	say("finit_module", syscall(SYS_finit_module, 0, "", 0));
	say("delete_module", syscall(SYS_delete_module, "no-such-module", O_NONBLOCK));
	say("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
	say("kexec_file_load", syscall(SYS_kexec_file_load, -1, -1, 0, NULL, 0x100));
	say("swapon", swapon("/no/such/swap", 0));
	say("swapoff", swapoff("/no/such/swap"));
	say("acct", acct("/no/such/file"));
	say("syslog_read", klogctl(3, text, sizeof text));
	say("syslog_console", klogctl(8, NULL, 4));
	say("syslog_clear", klogctl(5, NULL, 0));
	say("quotactl", syscall(SYS_quotactl, 0x800002 << 8, "/dev/vda", 0, NULL));
	say("iopl", iopl(3));
	say("ioperm", ioperm(0x80, 1, 1));
	say("vhangup", syscall(SYS_vhangup));
	say("lookup_dcookie", syscall(SYS_lookup_dcookie, 1, text, sizeof text));
	say("fanotify_filesystem", syscall(SYS_fanotify_init, 0x4 /* CLASS_CONTENT */, O_RDONLY));
	say("userfaultfd_kernel", syscall(SYS_userfaultfd, 0));
	say("nice", setpriority(PRIO_PGRP, 1, -20));
}

/* The pid namespace's reboot is emulated by the kernel: only a bad magic is tried by this process. */
static void reboot_calls(void)
{
	say("reboot_bad_command", syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, 0x12345, NULL));
}

static void limit_calls(void)
{
	struct rlimit r;
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);

	say("oom_score_adj_lower", fd < 0 ? -1 : write(fd, "-1000", 5));
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_max++;
		say("raise_rlimit", setrlimit(RLIMIT_NOFILE, &r));
	}
	say("socket_audit", socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT));
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_AUDIT);
	if (fd >= 0) {
		struct {
			struct nlmsghdr h;
			char pad[64];
		} m = { .h = { .nlmsg_len = sizeof m,
			       .nlmsg_type = 1000 /* AUDIT_GET */,
			       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK } };
		struct {
			struct nlmsghdr h;
			struct nlmsgerr e;
			char pad[512];
		} a = { 0 };

		(void)send(fd, &m, sizeof m, 0);
		(void)recv(fd, &a, sizeof a, MSG_DONTWAIT);
		errno = a.h.nlmsg_type == NLMSG_ERROR ? -a.e.error : 0;
		say("audit_get", errno ? -1 : 0);
	}
}

/* "calls readonly": only those that change nothing where they are permitted, for the control on the host. */
int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "readonly") == 0) {
		bpf_calls();
		perf_calls();
		return 0;
	}
	kernel_calls();
	time_calls();
	reboot_calls();
	bpf_calls();
	perf_calls();
	limit_calls();
	return 0;
}
