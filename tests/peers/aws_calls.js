// Calls by @aws-sdk/client-ebs and client-ec2, as a line of JSON each says: {"service", "region", "action", "parameters"},
// with {"$bytes": BASE64} for what is bytes. The answer, or the error's name, is a line, too.
"use strict";

const readline = require("node:readline");
const clients = { ebs: require("@aws-sdk/client-ebs"), ec2: require("@aws-sdk/client-ec2") };
const endpoint = process.argv[2];

function client(service, region) {
  const Client = clients[service][service === "ebs" ? "EBSClient" : "EC2Client"];
  // Keys come from the environment.
  return new Client({ region, endpoint, maxAttempts: 1 });
}

async function answer(line) {
  const call = JSON.parse(line, (key, value) =>
    value !== null && typeof value === "object" && "$bytes" in value ? Buffer.from(value.$bytes, "base64") : value);
  const command = new clients[call.service][`${call.action}Command`](call.parameters);
  try {
    const { $metadata, BlockData, ...rest } = await client(call.service, call.region).send(command);
    return { answer: rest };
  } catch (error) {
    return { error: `${error.name}: ${error.message}` };
  }
}

(async () => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(line)));
  }
})();
