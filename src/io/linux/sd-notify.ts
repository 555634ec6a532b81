/** One datagram to the service manager: AF_UNIX SOCK_DGRAM, which node: modules cannot send. */
import koffi from "koffi";

const afUnix = 1;
/** SOCK_DGRAM | SOCK_CLOEXEC, of all architectures that Node runs on but MIPS. */
const sockDgramCloexec = 2 | 0o2000000;
const pathSizeBytesMax = 108;

const library = koffi.load(null);
const openSocket = library.func("int socket(int domain, int type, int protocol)");
const sendTo = library.func(
  "long sendto(int fd, const void *buffer, size_t size, int flags, const void *address, uint32_t addressSize)",
);
const closeDescriptor = library.func("int close(int fd)");

/** Sends `message` to the socket of NOTIFY_SOCKET; false if that did not work. */
export function sendDatagram(socketPath: string, message: string): boolean {
  const address = encodeAddress(socketPath);
  if (address === undefined) return false;
  const descriptor: number = openSocket(afUnix, sockDgramCloexec, 0);
  if (descriptor < 0) return false;
  const body = Buffer.from(message);
  const sent: number = sendTo(descriptor, body, body.length, 0, address, address.length);
  closeDescriptor(descriptor);
  return sent === body.length;
}

/** struct sockaddr_un (unix(7)); a leading `@` stands for the abstract namespace's zero byte. */
function encodeAddress(path: string): Buffer | undefined {
  const name = Buffer.from(path);
  const isAbstract = path.startsWith("@");
  if ((!isAbstract && !path.startsWith("/")) || name.length + 1 > pathSizeBytesMax) return undefined;
  const address = Buffer.alloc(2 + name.length + (isAbstract ? 0 : 1));
  if (new Uint8Array(new Uint16Array([1]).buffer)[0] === 1) address.writeUInt16LE(afUnix);
  else address.writeUInt16BE(afUnix);
  name.copy(address, 2);
  if (isAbstract) address[2] = 0;
  return address;
}
