/** The command line as a whole: which commands there are, and what misuse of it costs. */
import { Command, CommanderError } from "commander";
import { version } from "../config/version.ts";
import { runCtl } from "./ctl.ts";
import { exitCode } from "./exit-code.ts";
import { runServe, type StartDaemon } from "./serve.ts";
import { addServeOptions } from "./serve-options.ts";

/** What the commands start. */
export interface ProgramParts {
  readonly startDaemon: StartDaemon;
  /** Resolves to the exit code. */
  readonly runDemo: () => Promise<number>;
}

/** Runs one command to its end and gives the exit code. */
export async function runProgram(words: readonly string[], parts: ProgramParts): Promise<number> {
  // A reader of our output may leave early (`| head`); that is no fault.
  process.stdout.on("error", () => undefined);
  let code: number = exitCode.ok;
  const program = new Command("rtpferry")
    .description("Media relay and NAT traversal daemon for SIP and WebRTC")
    .version(version)
    .exitOverride();
  const serve = program.command("serve").description("Run the relay in the foreground.");
  const commandLine = addServeOptions(serve);
  serve.action(async () => {
    code = await runServe(commandLine(), parts.startDaemon);
  });
  addCtl(program, (result) => {
    code = result;
  });
  program
    .command("demo")
    .description("Start a relay, place a call through it, and show what flows.")
    .action(async () => {
      code = await parts.runDemo();
    });
  try {
    await program.parseAsync(words, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return exitCode.ok;
    return words[0] === "serve" ? exitCode.config : exitCode.usage;
  }
  return code;
}

function addCtl(program: Command, done: (code: number) => void): void {
  const ctl = program.command("ctl").description("Ask or tell a running relay.");
  const addCommand = (words: string, help: string): void => {
    ctl
      .command(words)
      .description(help)
      .action(async (...given: unknown[]) => {
        const command = given.at(-1) as Command;
        const [word] = command.args;
        const { ctl: path, json = false } = command.optsWithGlobals<{ ctl?: string; json?: boolean }>();
        const name = command.name();
        const question = name === "turn" ? { command: name, action: word } : { command: name, callId: word };
        done(await runCtl(question, { path, isJson: json }));
      })
      .option("--ctl <PATH>", "the daemon's ctl socket")
      .option("--json", "print the answer as JSON");
  };
  ctl.option("--ctl <PATH>", "the daemon's ctl socket").option("--json", "print the answer as JSON");
  addCommand("list", "List all calls.");
  addCommand("show <CALL-ID>", "Show one call: legs, ports, sources, counters.");
  addCommand("kill <CALL-ID>", "End one call at once.");
  addCommand("stats", "Show the counters of the daemon.");
  addCommand("turn [drain]", "List the TURN allocations; with drain, let no new ones in.");
}
