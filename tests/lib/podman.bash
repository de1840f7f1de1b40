# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Podman, rootful, with everything private: storage, run root, tmp dir, configuration, network namespace.

# podman_open() - set up for this test file and import the image
podman_open() {
	run_open || return 1
	ENGINE=$(file_dir)
	ENGINE_NET=$(net_open podman) || return 1
	export ENGINE ENGINE_NET
	mkdir -p "$ENGINE/etc" "$ENGINE/net"
	# A run root elsewhere than in /run/containers/storage has to be made known.
	jq --arg r "$ENGINE/run" '.caisson = {engineRoots: [$r]}' "$SETTINGS" >"$ENGINE/etc/admin-settings.json"
	chmod 0644 "$ENGINE/etc/admin-settings.json"
	# Podman hands runtimes no extra flags of their own, so the settings file comes in by a wrapper.
	if is_caisson; then
		printf '#!/bin/sh\nexport ASAN_OPTIONS=%q\nexec %q --settings %q "$@"\n' "${ASAN_OPTIONS:-}" "$CAISSON_RUNTIME" "$ENGINE/etc/admin-settings.json" >"$ENGINE/runtime"
	else
		printf '#!/bin/sh\nexec %q "$@"\n' "$CAISSON_RUNTIME" >"$ENGINE/runtime"
	fi
	chmod 0755 "$ENGINE/runtime"
	# The limits: by default Podman asks for more than it has itself, which takes CAP_SYS_RESOURCE; not every root has it.
	cat >"$ENGINE/etc/containers.conf" <<-CONF
		[containers]
		cgroupns = "private"
		log_driver = "k8s-file"
		default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		network_cmd_path = ""
		[network]
		network_backend = "netavark"
		network_config_dir = "$ENGINE/net"
	CONF
	printf '[storage]\ndriver = "overlay"\nrunroot = "%s"\ngraphroot = "%s"\n' "$ENGINE/run" "$ENGINE/root" >"$ENGINE/etc/storage.conf"
	export CONTAINERS_CONF=$ENGINE/etc/containers.conf CONTAINERS_STORAGE_CONF=$ENGINE/etc/storage.conf
	image_tar "$CAISSON_TEST_RUN/busybox.tar"
	p import -c 'CMD=["/bin/sh"]' -c 'ENV=PATH=/bin:/usr/bin' "$CAISSON_TEST_RUN/busybox.tar" "$IMAGE" >/dev/null
}

p() {
	in_net "$ENGINE_NET" podman --root "$ENGINE/root" --runroot "$ENGINE/run" --tmpdir "$ENGINE/tmp" \
		--runtime "$ENGINE/runtime" --cgroup-manager cgroupfs --events-backend file "$@"
}

prun() {
	p run --rm --network none --cgroup-parent "/ct-$RUN_TAG-podman" "$@"
}

podman_close() {
	[ -n "${ENGINE:-}" ] || return 0
	p rm -fa -t 0 >/dev/null 2>&1
	p network prune -f >/dev/null 2>&1
	for pid in $(engine_pids "$ENGINE"); do
		kill -KILL "$pid" 2>/dev/null
	done
	net_close "$ENGINE_NET"
	umount -l "$ENGINE/root/overlay" 2>/dev/null
	engine_remove "$ENGINE" "ct-$RUN_TAG-podman"
	run_close
}
