// Calls to the control room's own API. Without a session there is nothing to show but the login.

import { Refused } from "../api.js";

export async function call(method, path, payload) {
  const headers = { Accept: "application/json" };
  const options = { method, credentials: "same-origin", headers };
  if (payload !== undefined) {
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(payload);
  }
  let response;
  try {
    response = await fetch(`/admin${path}`, options);
  } catch {
    throw new Refused(0, null);
  }
  const body = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.status === 401 || body?.details?.reason === "role_missing") location.reload();
  if (!response.ok) throw new Refused(response.status, body);
  return body;
}

export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(given).toString();
  return call("GET", text ? `${path}?${text}` : path);
}

// By number: names may hold what a path must not, and may be given to somebody else.
export function accountPath(user) {
  return `/users/id:${user.id}`;
}
