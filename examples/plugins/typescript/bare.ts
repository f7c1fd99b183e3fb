// The plugin `title_validator` in TypeScript, in as few lines as it takes.
import { decode } from "@msgpack/msgpack";
import { Svcm } from "@nats-io/services";
import { connect } from "@nats-io/transport-node";

const client = await connect({ servers: process.env.NATS_URL ?? "127.0.0.1:4222" });
const service = await new Svcm(client).add({
  name: "title_validator",
  version: "1.2.0",
  metadata: { "gearshift.plugin": "1" },
});
service.addGroup("gearshift.plugin.title_validator.v1").addEndpoint("validate_title", (_, request) => {
  const packed = request.headers?.get("Content-Type") === "application/msgpack";
  const document = packed ? decode(request.data) : request.json();
  const { title, busyTimes } = document as { title?: string; busyTimes?: number };
  const attempt = Number(request.headers?.get("Gearshift-Attempt") || 1);
  if (attempt <= (busyTimes ?? 0)) request.respondError(503, "busy");
  else if (!title) request.respondError(422, "title is missing");
  else request.respond(JSON.stringify({ valid: true, words: title.split(/\s+/).length }));
});
