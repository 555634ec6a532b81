import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { askDaemon } from "../../src/io/ctl-client.ts";
import { type CtlHandler, type CtlServer, startCtlServer } from "../../src/io/ctl-server.ts";
import { ListenError } from "../../src/io/listen.ts";
import { suite } from "../support/suite.ts";

const echo: CtlHandler = (request) => ({ ok: true, result: request });

async function withServer(
  handler: CtlHandler,
  body: (path: string, server: CtlServer, folder: string) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "rtpferry-ctl-"));
  const server = await startCtlServer(join(folder, "run", "ctl.sock"), handler);
  try {
    await body(server.path, server, folder);
  } finally {
    await server.close();
    rmSync(folder, { recursive: true });
  }
}

/** Writes and collects what comes back until the other side closes or `lines` lines are there. */
function talk(path: string, text: string, lines: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(path, () => socket.write(text));
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
      if (answer.split("\n").length > lines) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => resolve(answer));
  });
}

suite("ctl", (test) => {
  test("a question gets its answer, and only its owner may ask", () =>
    withServer(echo, async (path) => {
      assert.equal(statSync(path).mode & 0o777, 0o600);
      assert.equal(statSync(join(path, "..")).mode & 0o777, 0o700);
      const request = { command: "show", callId: "é\n\u0000" };
      assert.deepEqual(await askDaemon(path, request), { ok: true, result: request });
    }));

  test("closing removes socket and folder, and ends waiting clients", async () => {
    let reply: unknown;
    let removed = false;
    await withServer(
      () => new Promise(() => undefined),
      async (path, server) => {
        const asked = askDaemon(path, { command: "list" });
        await new Promise((resolve) => setTimeout(resolve, 30));
        await server.close();
        reply = await asked;
        removed = !existsSync(path) && !existsSync(join(path, ".."));
      },
    );
    assert.match((reply as { error: string }).error, /closed the connection/);
    assert.ok(removed);
  });

  test("requests on one connection are answered in order, one at a time", async () => {
    let running = 0;
    let runningMax = 0;
    const handler: CtlHandler = async (request) => {
      runningMax = Math.max(runningMax, ++running);
      await new Promise((resolve) => setTimeout(resolve, 5));
      running--;
      return { ok: true, result: request["n"] };
    };
    await withServer(handler, async (path) => {
      const answer = await talk(path, [1, 2, 3].map((n) => `{"n":${n}}\n`).join(""), 3);
      assert.equal(answer, [1, 2, 3].map((n) => `{"ok":true,"result":${n}}\n`).join(""));
      assert.equal(runningMax, 1);
    });
  });

  test("what is no request gets an error, what is too long the end", () =>
    withServer(echo, async (path) => {
      for (const [text, error] of [
        ["\n", "the request is not JSON"],
        ["{\n", "the request is not JSON"],
        ["[1]\n", "the request is not a JSON object"],
        ["null\n", "the request is not a JSON object"],
        [`{"a":"${"x".repeat(5_000)}"}\n`, "the request is too long"],
        ["x".repeat(100_000), "the request is too long"],
      ] as const) {
        assert.equal(await talk(path, text, 1), `{"ok":false,"error":"${error}"}\n`);
      }
      assert.equal((await askDaemon(path, { command: "list" })).ok, true);
    }));

  test("many clients cannot crowd out the machine", () =>
    withServer(echo, async (path) => {
      const sockets = Array.from({ length: 40 }, () => connect(path).on("error", () => undefined));
      await new Promise((resolve) => setTimeout(resolve, 100));
      const open = sockets.filter((socket) => !socket.destroyed && socket.readyState === "open").length;
      assert.ok(open <= 16, `${open} open`);
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => setTimeout(resolve, 50));
      assert.equal((await askDaemon(path, {})).ok, true);
    }));

  test("a folder that others can write to, also behind a link, is refused", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rtpferry-ctl-"));
    try {
      const open = join(folder, "open");
      mkdirSync(open);
      symlinkSync(open, join(folder, "link"));
      chmodSync(open, 0o777);
      for (const place of ["open", "link"]) {
        await assert.rejects(startCtlServer(join(folder, place, "ctl.sock"), echo), ListenError);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
