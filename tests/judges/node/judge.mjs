// Lets official Node SDKs judge and sign requests, in the words of ../judge.py. Their packages are
// those of package-lock.json; nothing of Hookkeeper is here.

import { createInterface } from "node:readline";
import { signers, verifiers } from "./sdks.mjs";

const RealDate = Date;

// The clock of every SDK stands at this time, in unix seconds.
function stopClock(now) {
  globalThis.Date = class extends RealDate {
    constructor(...given) {
      super(...(given.length ? given : [now * 1000]));
    }
    static now() {
      return now * 1000;
    }
  };
}

async function answer(line) {
  if (line.op === "list") return { verify: Object.keys(verifiers), sign: Object.keys(signers) };
  const asked = { ...line, body: Buffer.from(line.body, "base64").toString("utf8") };
  stopClock(line.now);
  if (line.op === "sign") return { headers: await signers[line.sdk](asked) };
  try {
    const said = await verifiers[line.sdk](asked);
    return { valid: Boolean(said), why: said ? "" : String(said) };
  } catch (refusal) {
    return { valid: false, why: String(refusal) };
  }
}

console.log = console.error; // an SDK that prints must not answer for us
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(JSON.stringify(await answer(JSON.parse(line))) + "\n");
}
