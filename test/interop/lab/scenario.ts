/**
 * SIPp scenarios from steps. A scenario signals; its media half is an RtpPhone, told what to do by log lines:
 *
 *     phone WORD CALL-ID CALL-NUMBER REMOTE-ADDRESS REMOTE-PORT
 *
 * `aim` says where the last SDP points; `start`, `pause`, `resume`, `finish` and `move` are the phone's own verbs.
 */

export type PhoneWord = "aim" | "start" | "pause" | "resume" | "finish" | "move";

export interface SdpShape {
  readonly direction?: "sendrecv" | "sendonly" | "recvonly";
  /** Offers the phone's second port pair. */
  readonly usesSecondPair?: boolean;
  readonly version?: number;
}

const address = "remoteAddress";
const port = "remotePort";

/** Tells the phone. */
export function tell(...words: readonly PhoneWord[]): string {
  const logs = words.map(
    (word) =>
      `<log message="phone ${word} [call_id] [call_number] ${
        word === "aim" ? `[$${address}] [$${port}]` : "- 0"
      }"/>`,
  );
  return `<nop><action>${logs.join("")}</action></nop>`;
}

export function pause(ms: number): string {
  return `<pause milliseconds="${ms}"/>`;
}

/** Finds the address and port of the SDP just received. */
const readSdp = [
  `<ereg regexp="c=IN IP[46] ([0-9a-fA-F:.]+)" search_in="body" check_it="true" assign_to="line,${address}"/>`,
  `<ereg regexp="m=audio ([0-9]+)" search_in="body" check_it="true" assign_to="line,${port}"/>`,
];

interface Expect {
  readonly readsSdp?: boolean;
  readonly isOptional?: boolean;
  /** Takes the dialogue's route set and remote target from this message. */
  readonly setsRoute?: boolean;
  /** Keeps From and To, for requests of the callee. */
  readonly readsParties?: boolean;
  /** Keeps the path back, for an answer that comes after another request. */
  readonly keepsVia?: boolean;
}

export function expectRequest(method: string, expect: Expect = {}): string {
  return `<recv request="${method}" ${attributes(expect)}>${findings(expect)}</recv>`;
}

export function expectResponse(code: number, expect: Expect = {}): string {
  return `<recv response="${code}" ${attributes(expect)}>${findings(expect)}</recv>`;
}

function findings(expect: Expect): string {
  const found = [
    ...(expect.readsSdp === true ? readSdp : []),
    ...(expect.readsParties === true ? [header("From:", 1, "caller"), header("To:", 1, "callee")] : []),
    ...(expect.keepsVia === true ? [header("Via:", 1, "via1"), header("Via:", 2, "via2")] : []),
  ];
  return found.length === 0 ? "" : `<action>${found.join("\n")}</action>`;
}

function header(name: string, occurrence: number, variable: string): string {
  return `<ereg regexp=".*" search_in="hdr" header="${name}" occurrence="${occurrence}" assign_to="${variable}"/>`;
}

function attributes(expect: Expect): string {
  return [
    expect.isOptional === true ? 'optional="true"' : 'timeout="20000"',
    expect.setsRoute === true ? 'rrs="true"' : "",
  ].join(" ");
}

/** What may come before the answer. */
export const provisional = [
  expectResponse(100, { isOptional: true }),
  expectResponse(180, { isOptional: true }),
].join("\n");

const bodiless = "Content-Length: 0\n\n";

function sdp(shape: SdpShape): string {
  const offset = shape.usesSecondPair === true ? "+2" : "";
  return `Content-Type: application/sdp
Content-Length: [len]

v=0
o=lab 1 ${shape.version ?? 1} IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[sdp_family] [sdp_address]
t=0 0
m=audio [auto_media_port${offset}] RTP/AVP 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=ptime:20
a=${shape.direction ?? "sendrecv"}
`;
}

function body(shape: SdpShape | undefined): string {
  return shape === undefined ? bodiless : sdp(shape);
}

const contact = "Contact: <sip:lab@[local_ip]:[local_port]>";

function send(text: string, retransmits: boolean): string {
  return `<send${retransmits ? ' retrans="500"' : ""}><![CDATA[\n\n${text}\n]]></send>`;
}

/** The first request; the target comes from the keyword `target`, extra header fields from `extra`. */
export function invite(shape: SdpShape | undefined): string {
  const text = `INVITE sip:[target] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];rport;branch=[branch]
From: <sip:caller@[local_ip]:[local_port]>;tag=from-[call_number]-[pid]
To: <sip:[target]>
Call-ID: [call_id]
CSeq: 1 INVITE
${contact}
Max-Forwards: 70
[extra]
${body(shape)}`;
  return send(text, true);
}

function startLine(method: string): string {
  return `${method} [next_url] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];rport;branch=[branch]
[routes]`;
}

/** A request of the caller inside the dialogue. */
export function callerRequest(method: "ACK" | "BYE" | "INVITE", cseq: number, shape?: SdpShape): string {
  const text = `${startLine(method)}
From: <sip:caller@[local_ip]:[local_port]>;tag=from-[call_number]-[pid]
To: <sip:[target]>[peer_tag_param]
Call-ID: [call_id]
CSeq: ${cseq} ${method}
${contact}
Max-Forwards: 70
[extra]
${body(shape)}`;
  return send(text, method !== "ACK");
}

/** A request of the callee inside the dialogue; From and To were kept from the ACK. */
export function calleeRequest(method: "ACK" | "BYE" | "INVITE", cseq: number, shape?: SdpShape): string {
  const text = `${startLine(method)}
From:[$callee]
To:[$caller]
Call-ID: [call_id]
CSeq: ${cseq} ${method}
${contact}
Max-Forwards: 70
${body(shape)}`;
  return send(text, method !== "ACK");
}

/** CANCEL of the first INVITE, with the branch SIPp gave to the first message of the scenario. */
export function cancel(): string {
  const text = `CANCEL sip:[target] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];rport;branch=z9hG4bK-[pid]-[call_number]-0
From: <sip:caller@[local_ip]:[local_port]>;tag=from-[call_number]-[pid]
To: <sip:[target]>
Call-ID: [call_id]
CSeq: 1 CANCEL
Max-Forwards: 70
${bodiless}`;
  return send(text, true);
}

/** ACK of a refusal: a part of the INVITE transaction. */
export function ackRefusal(): string {
  const text = `ACK sip:[target] SIP/2.0
[last_Via:]
From: <sip:caller@[local_ip]:[local_port]>;tag=from-[call_number]-[pid]
To: <sip:[target]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 1 ACK
Max-Forwards: 70
${bodiless}`;
  return send(text, false);
}

/** The callee's answer to the request just received. */
export function respond(code: number, reason: string, shape?: SdpShape): string {
  const text = `SIP/2.0 ${code} ${reason}
[last_Via:]
[last_From:]
[last_To:];tag=to-[call_number]-[pid]
[last_Call-ID:]
[last_CSeq:]
[last_Record-Route:]
${contact}
${body(shape)}`;
  return send(text, false);
}

/** An answer inside the dialogue, whose To already has its tag. */
export function respondInDialogue(code: number, reason: string, shape?: SdpShape): string {
  const text = `SIP/2.0 ${code} ${reason}
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
[last_Record-Route:]
${contact}
${body(shape)}`;
  return send(text, false);
}

/** The end of a cancelled INVITE; the CANCEL came over fewer hops than it. */
export function respondCancelled(): string {
  const text = `SIP/2.0 487 Request Terminated
Via:[$via1]
Via:[$via2]
[last_From:]
[last_To:];tag=to-[call_number]-[pid]
[last_Call-ID:]
CSeq: 1 INVITE
${bodiless}`;
  return send(text, false);
}

export function scenario(name: string, ...steps: readonly string[]): string {
  const text = steps.join("\n");
  // SIPp refuses a variable that is set and nowhere read.
  const variables = [...new Set([...text.matchAll(/assign_to="([^"]+)"/g)].map((match) => match[1]))];
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE scenario SYSTEM "sipp.dtd">
<scenario name="${name}">
${text}
${variables.length === 0 ? "" : `<Reference variables="${variables.join(",")}"/>`}
</scenario>
`;
}
