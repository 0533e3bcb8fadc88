// The official Node SDKs: how each verifies a request, or signs one. A verifier returns false or
// throws where it refuses. An SDK is imported when it is asked.

const lower = (headers) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));

// Path and query as a server gives them.
const target = (url) => url.replace(/^https?:\/\/[^/]+/, "");

const standard = (load) => async ({ headers, body, secret }) => {
  const { Webhook } = await load();
  new Webhook(secret).verify(body, lower(headers));
  return true;
};

const signedStandard = (load, prefix) => async ({ body, secret, now }) => {
  const { Webhook } = await load();
  const made = new Webhook(secret).sign("msg_1", new Date(now * 1000), body);
  const stamp = String(Math.floor(now));
  return { [`${prefix}-id`]: "msg_1", [`${prefix}-timestamp`]: stamp, [`${prefix}-signature`]: made };
};

const shopify = async ({ secret }) => {
  await import("@shopify/shopify-api/adapters/node");
  const { shopifyApi } = await import("@shopify/shopify-api");
  return shopifyApi({
    apiKey: "key",
    apiSecretKey: secret,
    apiVersion: "2025-07",
    hostName: "hooks.example.com",
    isEmbeddedApp: false,
    logger: { level: 0, log: () => {} },
  });
};

export const verifiers = {
  async atlassian_connect({ method, url, headers, secret }) {
    const jwt = await import("atlassian-jwt");
    const token = lower(headers).authorization.replace(/^JWT /, "");
    const claims = jwt.decodeSymmetric(token, secret, "HS256");
    const asked = jwt.fromMethodAndUrl(method, target(url));
    return claims.exp > Date.now() / 1000 && claims.qsh === jwt.createQueryStringHash(asked);
  },
  async clerk({ method, url, headers, body, secret }) {
    const { verifyWebhook } = await import("@clerk/backend/webhooks");
    await verifyWebhook(new Request(url, { method, headers, body }), { signingSecret: secret });
    return true;
  },
  async contentful({ method, url, headers, body, secret }) {
    const { verifyRequest } = await import("@contentful/node-apps-toolkit");
    return verifyRequest(secret, { method, path: target(url), headers: lower(headers), body }, 30);
  },
  async github({ headers, body, secret }) {
    const { verify } = await import("@octokit/webhooks-methods");
    return verify(secret, body, lower(headers)["x-hub-signature-256"]);
  },
  async hygraph({ headers, body, secret }) {
    const { verifyWebhookSignature } = (await import("@hygraph/utils")).default;
    const signature = lower(headers)["gcms-signature"];
    return verifyWebhookSignature({ rawPayload: body, signature, secret });
  },
  async kontent_ai({ headers, body, secret }) {
    const { signatureHelper } = await import("@kontent-ai/webhook-helper");
    const signature = lower(headers)["x-kontent-ai-signature"];
    return signatureHelper.isValidSignatureFromString(body, secret, signature);
  },
  async linear({ headers, body, secret }) {
    const { LinearWebhookClient } = await import("@linear/sdk/webhooks");
    const client = new LinearWebhookClient(secret);
    return client.verify(Buffer.from(body), lower(headers)["linear-signature"]);
  },
  async liveblocks({ headers, body, secret }) {
    const { WebhookHandler } = await import("@liveblocks/node");
    try {
      new WebhookHandler(secret).verifyRequest({ headers: lower(headers), rawBody: body });
    } catch (refusal) {
      if (!/event type/.test(refusal.message)) throw refusal; // looked at after the signature
    }
    return true;
  },
  async mux({ headers, body, secret }) {
    const { default: Mux } = await import("@mux/mux-node");
    const client = new Mux({ tokenId: "t", tokenSecret: "s" });
    await client.webhooks.verifySignature(body, lower(headers), secret);
    return true;
  },
  async nango({ headers, body, secret }) {
    const { Nango } = await import("@nangohq/node");
    const client = new Nango({ secretKey: secret });
    return client.verifyIncomingWebhookRequest(body, headers);
  },
  async sanity({ headers, body, secret }) {
    const { isValidSignature } = await import("@sanity/webhook");
    return isValidSignature(body, lower(headers)["sanity-webhook-signature"], secret);
  },
  async shopify(asked) {
    const api = await shopify(asked);
    const { method, url, headers, body } = asked;
    const rawRequest = { method, url, headers: lower(headers) };
    return (await api.webhooks.validate({ rawBody: body, rawRequest })).valid;
  },
  standardwebhooks: standard(() => import("standardwebhooks")),
  async stripe({ headers, body, secret }) {
    const { default: Stripe } = await import("stripe");
    const signature = lower(headers)["stripe-signature"];
    return new Stripe("sk_test_x").webhooks.constructEvent(body, signature, secret) !== null;
  },
  svix: standard(() => import("svix")),
  async webflow({ headers, body, secret }) {
    const { WebflowClient } = await import("webflow-api");
    const client = new WebflowClient({ accessToken: "t" });
    return client.webhooks.verifySignature({ headers: lower(headers), body, secret });
  },
};

export const signers = {
  async atlassian_connect({ method, url, secret, now }) {
    const jwt = await import("atlassian-jwt");
    const qsh = jwt.createQueryStringHash(jwt.fromMethodAndUrl(method, target(url)));
    const claims = { iss: "client-1", iat: Math.floor(now), exp: Math.floor(now) + 180, qsh };
    return { Authorization: `JWT ${jwt.encodeSymmetric(claims, secret)}` };
  },
  async contentful({ method, url, headers, body, secret, now }) {
    const { signRequest } = await import("@contentful/node-apps-toolkit");
    return signRequest(secret, { method, path: target(url), headers, body }, now * 1000);
  },
  async github({ body, secret }) {
    const { sign } = await import("@octokit/webhooks-methods");
    return { "X-Hub-Signature-256": await sign(secret, body) };
  },
  async hygraph({ body, secret }) {
    const { generateWebhookSignature } = (await import("@hygraph/utils")).default;
    const options = { rawPayload: body, environmentName: "main", secret };
    return { "gcms-signature": generateWebhookSignature(options) };
  },
  async kontent_ai({ body, secret }) {
    const { signatureHelper } = await import("@kontent-ai/webhook-helper");
    return { "X-Kontent-ai-Signature": signatureHelper.getHashFromString(body, secret) };
  },
  async sanity({ body, secret, now }) {
    const { encodeSignatureHeader } = await import("@sanity/webhook");
    return { "sanity-webhook-signature": await encodeSignatureHeader(body, now * 1000, secret) };
  },
  standardwebhooks: signedStandard(() => import("standardwebhooks"), "webhook"),
  async stripe({ body, secret, now }) {
    const { default: Stripe } = await import("stripe");
    const options = { payload: body, secret, timestamp: Math.floor(now) };
    const made = new Stripe("sk_test_x").webhooks.generateTestHeaderString(options);
    return { "Stripe-Signature": made };
  },
  svix: signedStandard(() => import("svix"), "svix"),
};
