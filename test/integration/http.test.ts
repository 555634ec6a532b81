import assert from "node:assert/strict";
import { connect } from "node:net";
import { formatEndpoint, type IpAddress } from "../../src/core/address.ts";
import { type HttpServer, startHttpServer } from "../../src/io/http-server.ts";
import { suite } from "../support/suite.ts";

async function withServer(
  illness: () => string | undefined,
  body: (base: string, server: HttpServer) => Promise<void>,
): Promise<void> {
  const handler = {
    metrics: async () => ({ contentType: "text/plain; version=0.0.4", body: "rtpferry_calls 1\n" }),
    illness,
  };
  const server = await startHttpServer({ ip: "127.0.0.1" as IpAddress, port: 0 }, handler);
  try {
    await body(`http://${formatEndpoint(server.endpoint)}`, server);
  } finally {
    await server.close();
  }
}

/** Raw bytes in, all that comes back until the server closes. */
function raw(server: HttpServer, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(server.endpoint.port, server.endpoint.ip, () => socket.write(text));
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(answer));
  });
}

const well = () => undefined;

suite("http", (test) => {
  test("/metrics and /healthz answer, with any query", () =>
    withServer(well, async (base) => {
      const metrics = await fetch(`${base}/metrics?x=1`);
      assert.equal(metrics.status, 200);
      assert.equal(metrics.headers.get("content-type"), "text/plain; version=0.0.4");
      assert.equal(await metrics.text(), "rtpferry_calls 1\n");
      const health = await fetch(`${base}/healthz`);
      assert.deepEqual([health.status, await health.text()], [200, "ok\n"]);
      const head = await fetch(`${base}/metrics`, { method: "HEAD" });
      assert.deepEqual([head.status, await head.text()], [200, ""]);
    }));

  test("an ill daemon says so", () =>
    withServer(
      () => "worker 1 does not move",
      async (base) => {
        const health = await fetch(`${base}/healthz`);
        assert.deepEqual([health.status, await health.text()], [503, "worker 1 does not move\n"]);
      },
    ));

  test("there is nothing else, and nothing to write to", () =>
    withServer(well, async (base) => {
      for (const path of ["/", "/metrics/", "/../metrics/x", "//metrics", "/%6detrics"]) {
        assert.equal((await fetch(`${base}${path}`)).status, 404, path);
      }
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
        const answer = await fetch(`${base}/metrics`, { method });
        assert.deepEqual([answer.status, answer.headers.get("allow")], [405, "GET, HEAD"], method);
      }
    }));

  test("huge headers, noise and bodies end the connection, not the daemon", () =>
    withServer(well, async (base, server) => {
      const huge = `GET /metrics HTTP/1.1\r\nHost: x\r\nX: ${"y".repeat(20_000)}\r\n\r\n`;
      assert.match(await raw(server, huge), /^HTTP\/1\.1 431 /);
      assert.match(await raw(server, "\u0000\u0001 nonsense\r\n\r\n"), /^HTTP\/1\.1 400 /);
      const post = await raw(
        server,
        "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc",
      );
      assert.match(post, /^HTTP\/1\.1 405 /);
      assert.equal((await fetch(`${base}/healthz`)).status, 200);
    }));

  test("closing does not wait for idle visitors", () =>
    withServer(well, async (_, server) => {
      const idle = connect(server.endpoint.port, server.endpoint.ip);
      await new Promise((resolve) => idle.once("connect", resolve));
      const startedAt = process.hrtime.bigint();
      await server.close();
      assert.ok(process.hrtime.bigint() - startedAt < 2_000_000_000n);
      idle.destroy();
    }));
});
