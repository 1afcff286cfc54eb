// Calls to the platform's own browser API. The session travels in a cookie that scripts cannot read.

export class Refused extends Error {
  constructor(status, body) {
    super(body?.message ?? "The service did not answer. Please try again.");
    this.status = status;
    this.reason = body?.details?.reason ?? "unreachable";
    this.fields = body?.details?.fields ?? {};
  }
}

export async function postJson(path, payload) {
  let response;
  try {
    response = await fetch(path, {
      method: "POST",
      credentials: "same-origin",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(payload),
    });
  } catch {
    throw new Refused(0, null);
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Refused(response.status, body);
  return body;
}
