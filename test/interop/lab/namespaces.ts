/**
 * Network namespaces of a lab, which go when the test process goes.
 *
 * A shell, the janitor, waits for the end of its input. It ends whatever runs in the namespaces and removes them, also
 * when the test process was killed.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

const janitorScript = `
read -r word
folder=$1
shift
for name in "$@"; do
  for pid in $(ip netns pids "$name" 2>/dev/null); do kill -TERM "$pid" 2>/dev/null; done
done
for attempt in 1 2 3 4 5 6 7 8 9 10; do
  left=; for name in "$@"; do left="$left$(ip netns pids "$name" 2>/dev/null)"; done
  [ -z "$left" ] && break
  sleep 0.1
done
for name in "$@"; do
  for pid in $(ip netns pids "$name" 2>/dev/null); do kill -KILL "$pid" 2>/dev/null; done
  ip netns del "$name" 2>/dev/null
done
[ "$word" = keep ] || [ -z "$folder" ] || rm -rf "$folder"
true`;

export class Namespaces {
  private readonly prefix: string;
  private readonly janitor: ChildProcess;

  private constructor(prefix: string, janitor: ChildProcess) {
    this.prefix = prefix;
    this.janitor = janitor;
  }

  /**
   * Names the namespaces after this process, so that several runs stand side by side. A folder that is given goes with
   * them.
   */
  static async add(label: string, hosts: readonly string[], folder = ""): Promise<Namespaces> {
    const prefix = `rtpferry-${process.pid}-${label}`;
    const names = hosts.map((host) => `${prefix}-${host}`);
    const janitor = spawn("sh", ["-c", janitorScript, "janitor", folder, ...names], {
      stdio: ["pipe", "ignore", "inherit"],
      detached: true,
    });
    const made = new Namespaces(prefix, janitor);
    try {
      await ipBatch(names.map((name) => `netns add ${name}`));
    } catch (error) {
      await made.drop();
      throw error;
    }
    return made;
  }

  name(host: string): string {
    return `${this.prefix}-${host}`;
  }

  /** Runs lines of `ip` in one of them; routes and rules of IPv6 in a batch of their own. */
  inside(host: string, commands: readonly string[], family?: 4 | 6): Promise<void> {
    return ipBatch(commands, ["-n", this.name(host), ...(family === undefined ? [] : [`-${family}`])]);
  }

  /** Lines of `ip` that connect `link` of a host to a bridge of the switch they are run in. */
  cable(host: string, link: string, bridge: string): readonly string[] {
    const port = `${host}-${link}`;
    return [
      `link add ${port} type veth peer name ${link} netns ${this.name(host)}`,
      `link set ${port} master ${bridge} up`,
    ];
  }

  /** Ends what still runs in them and removes them. */
  async drop(keepsFolder = false): Promise<void> {
    if (this.janitor.exitCode !== null) return;
    const ended = once(this.janitor, "exit");
    this.janitor.stdin?.end(keepsFolder ? "keep\n" : "\n");
    await ended;
  }
}

/** Lines of `ip` that bring a link up with its addresses. */
export function hostUp(link: string, addresses: readonly string[]): readonly string[] {
  return [
    "link set lo up",
    `link set ${link} up`,
    ...addresses.map((one) => `addr add ${one} dev ${link}${one.includes(":") ? " nodad" : ""}`),
  ];
}

async function ipBatch(commands: readonly string[], options: readonly string[] = []): Promise<void> {
  const child = spawn("ip", [...options, "-batch", "-"], { stdio: ["pipe", "ignore", "pipe"] });
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaint += chunk.toString();
  });
  child.stdin.end(`${commands.join("\n")}\n`);
  const [code] = (await once(child, "close")) as [number];
  if (code !== 0) throw new Error(`ip ${options.join(" ")} -batch: ${complaint.trim()}`);
}
