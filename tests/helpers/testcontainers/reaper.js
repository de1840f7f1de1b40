// SPDX-License-Identifier: Apache-2.0
// The reaper of Testcontainers (Ryuk), as far as clients see it: on port 8080 each line is a set of filters, answered by
// "ACK"; when the last client has been gone for RYUK_RECONNECTION_TIMEOUT, what the filters name is removed.
"use strict";
const http = require("http");
const net = require("net");
const os = require("os");

const patience = (parseInt(process.env.RYUK_RECONNECTION_TIMEOUT, 10) || 10) * 1000;
const filters = new Set();
let clients = 0;
let timer;

function call(method, path) {
	return new Promise((resolve) => {
		const request = http.request({ socketPath: "/var/run/docker.sock", method, path }, (response) => {
			let text = "";
			response.on("data", (chunk) => (text += chunk));
			response.on("end", () => resolve({ status: response.statusCode, text }));
		});
		request.on("error", (error) => resolve({ status: 0, text: error.message }));
		request.end();
	});
}

async function reap(kind, list, name, remove) {
	for (const line of filters) {
		const labels = new URLSearchParams(line).getAll("label");
		const query = encodeURIComponent(JSON.stringify({ label: labels }));
		const found = await call("GET", `${list}?${list.startsWith("/containers") ? "all=1&" : ""}filters=${query}`);
		const objects = found.status === 200 ? JSON.parse(found.text) : [];
		for (const object of objects.Volumes || (Array.isArray(objects) ? objects : [])) {
			// Its own container is among them; the engine removes that one when it has ended.
			if (object[name].startsWith(os.hostname()))
				continue;
			const gone = await call("DELETE", remove(object[name]));
			console.log(`removed ${kind} ${object[name]} ${gone.status}`);
		}
	}
}

async function end() {
	await reap("container", "/containers/json", "Id", (id) => `/containers/${id}?force=1&v=1`);
	await reap("network", "/networks", "Id", (id) => `/networks/${id}`);
	await reap("volume", "/volumes", "Name", (name) => `/volumes/${name}?force=1`);
	await reap("image", "/images/json", "Id", (id) => `/images/${id}?force=1`);
	process.exit(0);
}

function wait() {
	clearTimeout(timer);
	timer = setTimeout(end, patience);
}

process.on("SIGTERM", () => process.exit(0));
wait();
net.createServer((socket) => {
	let rest = "";
	clients++;
	clearTimeout(timer);
	socket.on("data", (chunk) => {
		const lines = (rest + chunk).split("\n");
		rest = lines.pop();
		for (const line of lines) {
			filters.add(line.trim());
			socket.write("ACK\n");
		}
	});
	socket.on("error", () => {});
	socket.on("close", () => {
		if (--clients === 0)
			wait();
	});
}).listen(8080, () => console.log("Started"));
