// The plugin `bookkeeper` in TypeScript: its effect is done once per call id, however often it is
// asked.
import { link, readFile, unlink, writeFile } from "node:fs/promises";
import { decode } from "@msgpack/msgpack";
import { type ServiceMsg, Svcm } from "@nats-io/services";
import { connect } from "@nats-io/transport-node";

type Wanted = { account: string; amount: number };

const folder = process.env.BOOKKEEPER_FOLDER ?? ".";
const version = process.env.BOOKKEEPER_VERSION ?? "1.0.0";
const by = `typescript-${process.pid}`;

async function book(request: ServiceMsg): Promise<void> {
  const packed = request.headers?.get("Content-Type") === "application/msgpack";
  const wanted = (packed ? decode(request.data) : request.json()) as Wanted;
  const call = request.headers?.get("Gearshift-Call-Id") ?? "";
  const [draft, name] = [`${folder}/${call}-${by}.draft`, `${folder}/${call}.json`];
  // A name is given once, and to what is complete.
  await writeFile(draft, JSON.stringify({ call, ...wanted, by, version }));
  await link(draft, name).catch((error) => {
    if (error.code !== "EEXIST") throw error;
  });
  await unlink(draft);
  request.respond(await readFile(name));
}

const client = await connect({ servers: process.env.NATS_URL ?? "127.0.0.1:4222" });
const service = await new Svcm(client).add({
  name: "bookkeeper",
  version,
  metadata: { "gearshift.plugin": "1" },
});
const group = service.addGroup(`gearshift.plugin.bookkeeper.v${version.split(".")[0]}`);
group.addEndpoint("book", {
  handler: (_, request) => {
    book(request).catch((error) => request.respondError(500, String(error)));
  },
  metadata: { "gearshift.idempotent": "true" },
});
process.once("SIGTERM", () => void client.drain());
