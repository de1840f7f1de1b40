// SPDX-License-Identifier: Apache-2.0
// What a test suite does with Testcontainers: a server on a network, its port, a command in it, its logs, a file in it, a
// second container that talks to it. One line a step. The last container is left to the reaper.
"use strict";
const { GenericContainer, Network, Wait } = require("testcontainers");

const IMAGE = process.env.FLOW_IMAGE;

function step(...words) {
	console.log(...words);
}

function expect(what, got, want) {
	if (got !== want)
		throw new Error(`${what}: expected ${JSON.stringify(want)}, got ${JSON.stringify(got)}`);
	step("ok", what);
}

async function logs(container) {
	const stream = await container.logs();
	return new Promise((resolve, reject) => {
		let text = "";
		const timer = setTimeout(() => reject(new Error(`logs: only ${text}`)), 20000);
		stream.on("data", (chunk) => {
			text += chunk;
			if (text.includes("\n")) {
				clearTimeout(timer);
				stream.destroy();
				resolve(text.trim());
			}
		});
	});
}

async function main() {
	const network = await new Network().start();
	step("ok network");
	const server = await new GenericContainer(IMAGE)
		.withCommand(["sh", "-c", "echo serving; mkdir -p /www && cp /greeting /www/ && exec httpd -f -p 8000 -h /www"])
		.withCopyContentToContainer([{ content: "hello", target: "/greeting" }])
		.withNetwork(network)
		.withNetworkAliases("server")
		.withExposedPorts(8000)
		.withWaitStrategy(Wait.forListeningPorts())
		.start();
	step("ok start");
	const url = `http://${server.getHost()}:${server.getMappedPort(8000)}/greeting`;
	expect("port", await (await fetch(url)).text(), "hello");
	expect("exec", (await server.exec(["cat", "/greeting"])).output, "hello");
	expect("logs", await logs(server), "serving");
	step("map", (await server.exec(["cat", "/proc/self/uid_map"])).output.trim().replace(/ +/g, " "));
	const client = await new GenericContainer(IMAGE).withCommand(["sleep", "600"]).withNetwork(network).start();
	expect("alias", (await client.exec(["wget", "-qO-", "http://server:8000/greeting"])).output, "hello");
	await client.stop();
	await server.stop();
	step("ok stop");
	const left = await new GenericContainer(IMAGE).withCommand(["sleep", "600"]).withNetwork(network).start();
	step("left", left.getId(), network.getId());
	process.exit(0);
}

main().catch((error) => {
	console.log("failed:", error.message);
	process.exit(1);
});
