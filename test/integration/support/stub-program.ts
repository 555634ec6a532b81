/** The command line with a daemon that only listens on its ctl socket; run as a child process by the tests. */

import { runProgram } from "../../../src/cli/program.ts";
import { bannerLines } from "../../../src/config/banner.ts";
import { startCtlServer } from "../../../src/io/ctl-server.ts";
import { startHttpServer } from "../../../src/io/http-server.ts";

process.exitCode = await runProgram(process.argv.slice(2), {
  startDaemon: async (config, log) => {
    log.info({ event: "ready", maxSessions: config.maxSessions }, "ready");
    const ctl =
      config.ctl === undefined
        ? undefined
        : await startCtlServer(config.ctl, (request) => ({ ok: true, result: [request] }));
    const http =
      config.listenHttp === undefined
        ? undefined
        : await startHttpServer(config.listenHttp, {
            metrics: async () => ({ contentType: "text/plain", body: "" }),
            illness: () => undefined,
          });
    const alive = setInterval(() => undefined, 1_000);
    return {
      ready: bannerLines({ ...config, engine: "stub" }),
      isAlive: () => true,
      reload: (next) => log.info({ event: "turn-reloaded", realm: next.turnRealm }, "reloaded"),
      drainTurn: () => log.info({ event: "turn-draining" }, "draining"),
      stop: async () => {
        clearInterval(alive);
        await ctl?.close();
        await http?.close();
      },
    };
  },
  runDemo: async () => 7,
});
