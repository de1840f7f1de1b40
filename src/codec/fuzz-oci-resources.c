/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#include "codec/fuzz-oci.h"
#include "codec/oci-spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_throttle(const struct oci_blkio_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		CHECK(l->v[i].major >= 0 && l->v[i].major <= 4095 && l->v[i].minor >= 0 &&
		      l->v[i].minor <= 1048575);
}

static void check_resources(const struct oci_resources *r)
{
	CHECK(r->json);
	for (size_t i = 0; i < r->n_devices; i++) {
		const struct oci_device_rule *d = &r->devices[i];

		CHECK(d->type == 'a' || d->type == 'b' || d->type == 'c');
		CHECK(d->major >= -1 && d->minor >= -1 && (d->read || d->write || d->mknod));
	}
	/* what is not given is zero, what is given is not the zero that engines use for "not given" */
	CHECK(r->has_mem_limit == (r->mem_limit != 0) && r->mem_limit >= -1);
	CHECK(r->has_mem_swap == (r->mem_swap != 0) && r->mem_swap >= -1);
	CHECK(r->has_cpu_quota == (r->cpu_quota != 0) && r->cpu_quota >= -1);
	CHECK(r->has_cpu_shares == (r->cpu_shares != 0));
	CHECK(r->has_blkio_weight == (r->blkio_weight != 0) && r->blkio_weight <= 1000);
	CHECK(r->swappiness <= 200 && (r->has_swappiness || r->swappiness == 0));
	check_throttle(&r->weight_device);
	check_throttle(&r->read_bps);
	check_throttle(&r->write_bps);
	check_throttle(&r->read_iops);
	check_throttle(&r->write_iops);
	for (size_t i = 0; i < r->n_hugetlb; i++)
		CHECK(!strpbrk(r->hugetlb[i].page_size, "/. "));
	for (size_t i = 0; i < r->n_unified; i++)
		CHECK(!strchr(r->unified[i].key, '/') && strcmp(r->unified[i].key, "..") != 0 &&
		      r->unified[i].value);
	for (size_t i = 0; i < r->n_rdma; i++)
		CHECK(*r->rdma[i].device);
	CHECK(!r->cpus || !r->cpus[strspn(r->cpus, "0123456789,-")]);
	CHECK(!r->mems || !r->mems[strspn(r->mems, "0123456789,-")]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct oci_resources res, again;
	struct err e = { 0 };
	char *text;
	int r;

	if (size > 65536)
		return 0;
	memset(&res, 0x5a, sizeof res);
	memcpy(&again, &res, sizeof res);
	r = oci_resources_parse((const char *)data, size, &res, &e);
	if (r < 0) {
		check_refusal(r, &e, "resources");
		CHECK(memcmp(&res, &again, sizeof res) == 0);
		return 0;
	}
	check_resources(&res);
	text = rewritten(res.json);
	CHECK(oci_resources_parse(text, strlen(text), &again, NULL) == 0);
	CHECK(res.n_devices == again.n_devices && res.n_unified == again.n_unified && res.n_rdma == again.n_rdma);
	CHECK(res.mem_limit == again.mem_limit && res.cpu_shares == again.cpu_shares &&
	      same(res.cpus, again.cpus));
	CHECK(res.read_bps.n == again.read_bps.n);
	for (size_t i = 0; i < res.read_bps.n; i++)
		CHECK(res.read_bps.v[i].rate == again.read_bps.v[i].rate);
	free(text);
	oci_resources_done(&res);
	oci_resources_done(&again);
	return 0;
}
