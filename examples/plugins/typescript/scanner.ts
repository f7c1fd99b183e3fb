// The plugin `scanner` in TypeScript, whose work takes longer than anybody waits for a reply: it
// promises the result at once, gives signs of life, and publishes the result until it is stored.
import { decode } from "@msgpack/msgpack";
import { headers, type Msg, type MsgHdrs } from "@nats-io/nats-core";
import { type ServiceMsg, Svcm } from "@nats-io/services";
import { connect } from "@nats-io/transport-node";

type Job = { pages: number; msPerPage?: number };
type Work = { attempt: number; gone: AbortController; done: number; pages: number };

class Refused extends Error {}

const HEARTBEAT_MS = 2000;
const client = await connect({
  servers: process.env.NATS_URL ?? "127.0.0.1:4222",
  maxReconnectAttempts: -1,
});

// Calls under way by their id: another attempt, or a cancellation, ends the one before.
const underWay = new Map<string, Work>();
client.subscribe("gearshift.cancel.*", {
  callback: (_, message: Msg) => underWay.get(message.subject.split(".").pop() ?? "")?.gone.abort(),
});

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function read(request: ServiceMsg): Job {
  const packed = request.headers?.get("Content-Type") === "application/msgpack";
  const job = (packed ? decode(request.data) : request.json()) as Job;
  if (!Number.isInteger(job?.pages)) throw new Refused("`pages` is no whole number");
  return job;
}

async function scan(job: Job, work: Work): Promise<string> {
  for (; work.done < job.pages; work.done++) {
    if (work.gone.signal.aborted) throw new Refused("cancelled");
    await sleep(job.msPerPage ?? 100);
  }
  return JSON.stringify({ pages: work.done });
}

// The result, or what became of it, as a reply would have it.
async function outcome(job: Job, work: Work, reply: MsgHdrs): Promise<string> {
  try {
    reply.set("Content-Type", "application/json");
    return await scan(job, work);
  } catch (error) {
    reply.set("Nats-Service-Error-Code", error instanceof Refused ? "499" : "500");
    reply.set("Nats-Service-Error", String(error));
    return "";
  }
}

async function answerLater(request: ServiceMsg, job: Job, to: string): Promise<void> {
  const told = (name: string) => request.headers?.get(name) ?? "";
  const [call, attempt] = [told("Gearshift-Call-Id"), told("Gearshift-Attempt")];
  const before = underWay.get(call);
  const promise = headers();
  promise.set("Gearshift-Pending", "true");
  promise.set("Gearshift-Heartbeat", `${HEARTBEAT_MS}ms`);
  request.respond("", { headers: promise });
  if (before?.attempt === Number(attempt)) return; // heard twice, and already at work
  before?.gone.abort();

  const work = { attempt: Number(attempt), gone: new AbortController(), done: 0, pages: job.pages };
  underWay.set(call, work);
  const beating = setInterval(() => {
    const percent = Math.round((100 * work.done) / Math.max(work.pages, 1));
    const note = `page ${work.done} of ${work.pages}`;
    const sign = JSON.stringify({ attempt: work.attempt, percent, note });
    client.publish(`gearshift.heartbeat.${call}`, sign);
  }, HEARTBEAT_MS / 4);
  const reply = headers();
  for (const name of ["Gearshift-Call-Id", "Gearshift-Attempt", "Gearshift-Instance"]) {
    reply.set(name, told(name));
  }
  reply.set("Nats-Msg-Id", `${call}.${attempt}`);
  const body = await outcome(job, work, reply);
  const deadline = Date.parse(told("Gearshift-Deadline")) || Date.now() + 3_600_000;
  // A stream answers when it has stored the result, whether an engine runs or not.
  while (!(await isStored(to, body, reply))) {
    if (work.gone.signal.aborted || Date.now() > deadline) break;
    await sleep(500);
  }
  clearInterval(beating);
  if (underWay.get(call) === work) underWay.delete(call);
}

async function isStored(to: string, body: string, reply: MsgHdrs): Promise<boolean> {
  try {
    const stored = await client.request(to, body, { headers: reply, timeout: 5000 });
    return stored.json<{ error?: unknown }>().error === undefined;
  } catch {
    return false;
  }
}

async function answer(request: ServiceMsg): Promise<void> {
  try {
    const job = read(request);
    const to = request.headers?.get("Gearshift-Result-To");
    // Whoever asks names the subject, and it is our login that publishes to it.
    if (to && !to.startsWith("gearshift.result.")) throw new Refused(`\`${to}\` is for no results`);
    if (to) return await answerLater(request, job, to);
    const work = { attempt: 1, gone: new AbortController(), done: 0, pages: job.pages };
    request.respond(await scan(job, work));
  } catch (error) {
    request.respondError(400, String(error));
  }
}

const service = await new Svcm(client).add({
  name: "scanner",
  version: "1.0.0",
  metadata: { "gearshift.plugin": "1" },
});
const number = { type: "integer" };
service.addGroup("gearshift.plugin.scanner.v1").addEndpoint("scan", {
  handler: (_, request) => void answer(request),
  metadata: {
    "gearshift.heartbeat": `${HEARTBEAT_MS}ms`,
    "gearshift.input": JSON.stringify({
      type: "object",
      properties: { pages: number, msPerPage: number },
      required: ["pages"],
    }),
    "gearshift.output": JSON.stringify({ type: "object", properties: { pages: number } }),
  },
});
