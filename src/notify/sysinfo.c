/* SPDX-License-Identifier: Apache-2.0 */
/* sysinfo(2) with the container's share of the machine, as the emulated /proc/meminfo and /proc/uptime show it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>

#include "base/cleanup.h"
#include "notify/acts.h"
#include "procview/inputs.h"

#define TEXTS (256u * 1024)

/* What is kept between calls: open files, and the load averages, which begin anew with each worker. */
struct sources {
	struct inputs in;
	struct view_shared *view; /* a private one; only its parameters and load averages are touched */
};

static struct sources *sources_open(struct notify_worker *w)
{
	struct sources *s = w->sources;
	int dir[DIR_N] = { [DIR_PROC] = w->proc, [DIR_SYSFS] = w->sysfs };
	char *texts;

	if (s)
		return s;
	s = calloc(1, sizeof *s);
	texts = mmap(NULL, TEXTS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!s || texts == MAP_FAILED)
		goto fail;
	s->view = mmap(NULL, sizeof *s->view, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->view == MAP_FAILED)
		goto fail;
	s->view->params = w->shared->params;
	for (int i = 0; i < DIR_N - DIR_MEMORY; i++)
		dir[DIR_MEMORY + i] = w->cg[i];
	inputs_open(&s->in, s->view, dir, texts, TEXTS);
	w->sources = s;
	return s;
fail:
	if (texts != MAP_FAILED)
		(void)munmap(texts, TEXTS);
	free(s);
	return NULL;
}

void notify_sysinfo_done(struct notify_worker *w)
{
	struct sources *s = w->sources;

	if (!s)
		return;
	inputs_close(&s->in);
	(void)munmap(s->in.buf, TEXTS);
	(void)munmap(s->view, sizeof *s->view);
	free(s);
	w->sources = NULL;
}

/* What the emulated files say: each reads no more than it needs. */
static void collect(struct sources *s, struct sysinfo *ret)
{
	static const struct emu_row memory = { .fs = EMU_PROC, .path = "meminfo" };
	static const struct emu_row load = { .fs = EMU_PROC, .path = "loadavg" };
	struct emu_input in;
	struct sysinfo other;

	inputs_collect(&s->in, &load, &in);
	emu_sysinfo(&in, &other);
	inputs_collect(&s->in, &memory, &in);
	emu_sysinfo(&in, ret);
	memcpy(ret->loads, other.loads, sizeof ret->loads);
	ret->procs = other.procs;
}

/*
 * The caller cannot have gone on: once we have received its call only SIGKILL ends it (WAIT_KILLABLE_RECV). Asked
 * last, so that no other process with its number is written to.
 */
static int write_back(const struct notify_worker *w, const struct notify_caller *c, uint64_t address, void *from,
		      size_t size)
{
	const struct iovec local = { from, size }, remote = { (void *)(uintptr_t)address, size };

	if (!notify_still_waiting(w))
		return -ESRCH;
	return process_vm_writev(c->tid, &local, 1, &remote, 1, 0) == (ssize_t)size ? 0 : -EFAULT;
}

struct notify_verdict notify_act_sysinfo(struct notify_worker *w, const struct notify_request *rq)
{
	_cleanup_(notify_caller_close) struct notify_caller c = NOTIFY_CALLER_EMPTY;
	struct sources *s = sources_open(w);
	struct notify_sysinfo32 narrow;
	struct sysinfo info;

	/*
	 * Without the sources the kernel tells about the whole machine, which is no secret here: the resource view
	 * is a convenience.
	 */
	if (!s || notify_caller_open(w, &c) < 0)
		return notify_go_on();
	collect(s, &info);
	if (!rq->compat)
		return notify_result(write_back(w, &c, rq->data, &info, sizeof info));
	notify_sysinfo_compat(&info, &narrow);
	return notify_result(write_back(w, &c, rq->data, &narrow, sizeof narrow));
}
