/** Addresses and timeouts of the simulated daemon: two interfaces, one behind a NAT, and a call's life in a minute. */
import assert from "node:assert/strict";
import type { CallOptions } from "../../../src/call/options.ts";
import { familyOf, type IpAddress, parseIp } from "../../../src/core/address.ts";

const ip = (text: string): IpAddress => parseIp(text) ?? assert.fail(text);

export const relayInterfaces = [
  { name: "external", ip: ip("198.51.100.1"), advertisedIp: ip("203.0.113.200") },
  { name: "external", ip: ip("2001:db8::1"), advertisedIp: ip("2001:db8::1") },
  { name: "internal", ip: ip("10.0.0.1"), advertisedIp: ip("10.0.0.1") },
];

export const stationOptions: CallOptions = {
  timeoutMs: 20_000,
  silentTimeoutMs: 40_000,
  offerTimeoutMs: 30_000,
  finalTimeoutMs: 120_000,
  deleteDelayMs: 5_000,
  maxSessions: 0,
  isStrict: false,
  interfaces: relayInterfaces.map((one) => ({ ...one, family: familyOf(one.ip), localIp: one.ip })),
  onLink: [],
};
