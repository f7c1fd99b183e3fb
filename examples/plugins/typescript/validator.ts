// The plugin `title_validator` in TypeScript: schemas, both encodings, kinds of failures, cancellation
// and a drain at SIGTERM, over NATS' own libraries.
import { decode, encode } from "@msgpack/msgpack";
import { headers, type Msg } from "@nats-io/nats-core";
import { type ServiceMsg, Svcm } from "@nats-io/services";
import { connect } from "@nats-io/transport-node";

type Document = { title?: string; busyTimes?: number; takesMs?: number };
type Verdict = { valid: boolean; words: number };

class Failure extends Error {
  kind: "retryable" | "permanent";
  code: number;
  retryAfter?: string;

  constructor(kind: "retryable" | "permanent", code: number, message: string, retryAfter?: string) {
    super(message);
    this.kind = kind;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

const input = {
  type: "object",
  properties: {
    title: { type: "string" },
    busyTimes: { type: "integer" },
    takesMs: { type: "integer" },
  },
};
const output = {
  type: "object",
  properties: { valid: { type: "boolean" }, words: { type: "integer" } },
  required: ["valid", "words"],
};

const client = await connect({ servers: process.env.NATS_URL ?? "127.0.0.1:4222" });

// Calls under way by their id, which cancellations name.
const underWay = new Map<string, AbortController>();
client.subscribe("gearshift.cancel.*", {
  callback: (_, message: Msg) => underWay.get(message.subject.split(".").pop() ?? "")?.abort(),
});

async function validate(document: Document, attempt: number, gone: AbortSignal): Promise<Verdict> {
  if (attempt <= (document.busyTimes ?? 0)) throw new Failure("retryable", 503, "busy", "50ms");
  await pause(document.takesMs ?? 0, gone);
  if (!document.title) throw new Failure("permanent", 422, "title is missing");
  return { valid: true, words: document.title.split(/\s+/).filter(Boolean).length };
}

function pause(ms: number, gone: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    gone.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new Failure("permanent", 499, "cancelled"));
    });
  });
}

function read(request: ServiceMsg, packed: boolean): Document {
  try {
    return (packed ? decode(request.data) : request.json()) as Document;
  } catch (error) {
    throw new Failure("permanent", 400, String(error));
  }
}

async function answer(request: ServiceMsg): Promise<void> {
  const type = request.headers?.get("Content-Type") || "application/json";
  const packed = type === "application/msgpack";
  const callId = request.headers?.get("Gearshift-Call-Id") ?? "";
  const attempt = Number(request.headers?.get("Gearshift-Attempt") || 1);
  const abort = new AbortController();
  underWay.set(callId, abort);
  const reply = headers();
  try {
    const verdict = await validate(read(request, packed), attempt, abort.signal);
    reply.set("Content-Type", type);
    request.respond(packed ? encode(verdict) : JSON.stringify(verdict), { headers: reply });
  } catch (error) {
    const failure =
      error instanceof Failure ? error : new Failure("retryable", 500, String(error));
    reply.set("Gearshift-Error-Kind", failure.kind);
    if (failure.retryAfter) reply.set("Gearshift-Retry-After", failure.retryAfter);
    request.respondError(failure.code, failure.message, undefined, { headers: reply });
  } finally {
    underWay.delete(callId);
  }
}

const service = await new Svcm(client).add({
  name: "title_validator",
  version: "1.2.0",
  metadata: { "gearshift.plugin": "1" },
});
service.addGroup("gearshift.plugin.title_validator.v1").addEndpoint("validate_title", {
  handler: (_, request) => void answer(request),
  metadata: {
    "gearshift.input": JSON.stringify(input),
    "gearshift.output": JSON.stringify(output),
    "gearshift.idempotent": "true",
  },
});
process.once("SIGTERM", () => void client.drain());
