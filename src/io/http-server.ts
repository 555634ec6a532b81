/**
 * The operator's web page: GET /metrics and GET /healthz, nothing else.
 *
 * It is guarded by the address it listens on alone, so it changes nothing and bounds what a visitor can hold.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Endpoint, IpAddress } from "../core/address.ts";
import { closeServer, listen } from "./listen.ts";

export interface HttpHandler {
  /** The whole Prometheus text and its content type. */
  metrics(): Promise<{ readonly contentType: string; readonly body: string }>;
  /** undefined while all is well, else what is not. */
  illness(): string | undefined;
}

export interface HttpServer {
  /** Where it really listens; the port differs from the asked one if that was 0. */
  readonly endpoint: Endpoint;
  close(): Promise<void>;
}

const headersSizeBytesMax = 8 * 1024;
const requestTimeoutMs = 5_000;
const connectionsMax = 64;

/** Fails with a `ListenError` when the address cannot be had. */
export async function startHttpServer(endpoint: Endpoint, handler: HttpHandler): Promise<HttpServer> {
  const server = createServer(
    {
      maxHeaderSize: headersSizeBytesMax,
      headersTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: requestTimeoutMs,
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => {
      answer(request, response, handler).catch(() => response.destroy());
    },
  );
  server.maxConnections = connectionsMax;
  // A visitor that reads nothing must not keep the answer in memory for ever.
  server.setTimeout(2 * requestTimeoutMs);
  await listen(server, "listen-http", { host: endpoint.ip, port: endpoint.port });
  const bound = server.address() as AddressInfo;
  return {
    endpoint: { ip: bound.address as IpAddress, port: bound.port },
    close: () => {
      const closed = closeServer(server);
      server.closeAllConnections();
      return closed;
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  handler: HttpHandler,
): Promise<void> {
  const isHead = request.method === "HEAD";
  const send = (status: number, body: string, contentType = "text/plain; charset=utf-8"): void => {
    response.writeHead(status, {
      "content-type": contentType,
      "content-length": Buffer.byteLength(body),
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    });
    response.end(isHead ? undefined : body);
  };
  if (request.method !== "GET" && !isHead) {
    response.setHeader("allow", "GET, HEAD");
    response.setHeader("connection", "close");
    send(405, "GET only\n");
    return;
  }
  const path = request.url?.split("?", 1)[0];
  if (path === "/metrics") {
    const { body, contentType } = await handler.metrics();
    send(200, body, contentType);
  } else if (path === "/healthz") {
    const illness = handler.illness();
    send(illness === undefined ? 200 : 503, `${illness ?? "ok"}\n`);
  } else {
    send(404, "there are /metrics and /healthz\n");
  }
}
