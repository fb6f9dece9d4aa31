/** The health check against a real HTTP server, which answers as it is told. */
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";

import type { HealthSettings } from "../../../src/config/rollback-settings.ts";
import { judgeAnswer, valueAt } from "../../../src/rollback/health/answer.ts";
import { healthShape } from "../../../src/rollback/health/health.ts";
import { awaitHealthy, checkHealth } from "../../../src/rollback/health/probe.ts";

const settings: HealthSettings = { url: "http://127.0.0.1:1/api/health", status: 200, expect: { status: "healthy", database: "connected" }, versionPath: "version", times: 3, intervalMs: 5, timeoutMs: 20_000 };
const clock = { now: () => new Date("2026-11-21T02:00:00.000Z") };
const asking = { clock, signal: new AbortController().signal };
const good = { status: "healthy", version: "1.4.1", database: "connected" };

/** A server that answers each question by its number, from 0. */
async function serve(answer: (n: number, ...rest: Parameters<RequestListener>) => void): Promise<{ url: string; connections: () => number }> {
  let asked = 0;
  let connections = 0;
  const server = createServer((question, response) => { answer(asked++, question, response); });
  server.on("connection", () => { connections += 1; });
  await new Promise<void>((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  onTestFinished(() => new Promise((resolve) => { server.closeAllConnections(); server.close(() => { resolve(); }); }));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/health`, connections: () => connections };
}

const json = (response: Parameters<RequestListener>[1], body: unknown, status = 200): void => {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
};

describe("one question", () => {
  test("a healthy answer gives the version that the application tells, and nothing else of its body", async () => {
    const { url } = await serve((_n, _question, response) => { json(response, { ...good, patient: "Ada" }); });
    const health = await checkHealth({ ...settings, url }, asking);
    expect(health).toEqual({ url, healthy: true, detail: "status 200, status=healthy, database=connected", version: "1.4.1", at: "2026-11-21T02:00:00.000Z" });
    expect(healthShape.parse(health)).toEqual(health);
  });

  test.each([
    [{ ...good, database: "disconnected" }, 200, "status 200, status=healthy, database=disconnected, but must be connected"],
    [{ status: "healthy" }, 200, "status 200, status=healthy, database is missing, but must be connected"],
    [good, 503, "status 503, but must be 200"],
    [{ ...good, status: { deep: true } }, 200, "status 200, status=an object, but must be healthy, database=connected"],
    ["healthy", 200, "status 200, status is missing, but must be healthy, database is missing, but must be connected"],
  ])("%j with status %i is not healthy", async (body, status, detail) => {
    const { url } = await serve((_n, _question, response) => { json(response, body, status); });
    expect(await checkHealth({ ...settings, url }, asking)).toMatchObject({ healthy: false, detail });
  });

  test("a body that is not JSON, or never ends, is not healthy", async () => {
    const { url } = await serve((n, _question, response) => { response.end(n === 0 ? "<html>healthy connected</html>" : Buffer.alloc(2 ** 20 + 1, "x")); });
    expect((await checkHealth({ ...settings, url }, asking)).detail).toBe("status 200, with a body that is not JSON");
    expect((await checkHealth({ ...settings, url }, asking)).detail).toBe("status 200, with a body that is longer than 1 MiB");
  });

  test("a redirect is an answer, and is not followed", async () => {
    const { url, connections } = await serve((_n, _question, response) => { response.writeHead(302, { location: "/api/health?elsewhere" }).end(JSON.stringify(good)); });
    expect(await checkHealth({ ...settings, url }, asking)).toMatchObject({ healthy: false, detail: "status 302, but must be 200" });
    expect(connections()).toBe(1);
  });

  test("each question opens a connection of its own", async () => {
    const { url, connections } = await serve((_n, _question, response) => { json(response, good); });
    await awaitHealthy({ ...settings, url, times: 4 }, asking);
    expect(connections()).toBe(4);
  });

  test("who does not answer is named by what the system said", async () => {
    expect(await checkHealth(settings, asking)).toMatchObject({ healthy: false, detail: "no answer (ECONNREFUSED)", version: null });
  });

  test("a cut answer is none", async () => {
    const { url } = await serve((_n, _question, response) => { response.writeHead(200, { "content-length": "100" }).write("{"); setImmediate(() => response.destroy()); });
    expect(await checkHealth({ ...settings, url }, asking)).toMatchObject({ healthy: false, detail: "no answer (ECONNRESET)" });
  });

  test("neither the query nor the password of the URL is told, and both are sent", async () => {
    const seen: (string | undefined)[] = [];
    const { url } = await serve((_n, question, response) => { seen.push(question.url, question.headers.authorization); json(response, good); });
    const health = await checkHealth({ ...settings, url: `${url.replace("://", "://ops:hunter22@")}?key=sesame` }, asking);
    expect(health.url).toBe(url);
    expect(seen).toEqual(["/api/health?key=sesame", `Basic ${Buffer.from("ops:hunter22").toString("base64")}`]);
    expect(JSON.stringify(health)).not.toMatch(/hunter22|sesame/);
  });

  test("a run that is cancelled is told so, and no answer is made up", async () => {
    const stop = new AbortController();
    const { url } = await serve(() => { stop.abort(); });
    await expect(checkHealth({ ...settings, url }, { clock, signal: stop.signal })).rejects.toMatchObject({ code: "cancelled" });
  });
});

describe("asking until it has passed several times in a row", () => {
  test("a single failure starts the count anew", async () => {
    const { url } = await serve((n, _question, response) => { json(response, n === 2 ? { ...good, database: "reconnecting" } : good); });
    expect(await awaitHealthy({ ...settings, url }, asking)).toMatchObject({ healthy: true, passedInARow: 3, attempts: 6, health: { healthy: true } });
  });

  test("an application that comes up late is waited for", async () => {
    const { url } = await serve((n, _question, response) => { if (n < 3) response.destroy(); else json(response, good); });
    expect(await awaitHealthy({ ...settings, url }, asking)).toMatchObject({ healthy: true, attempts: 6 });
  });

  test("one that never passes often enough in a row is not healthy when the time is over, though its last answer may be", async () => {
    const { url } = await serve((n, _question, response) => { json(response, n % 3 === 2 ? {} : good); });
    const { healthy, attempts, passedInARow } = await awaitHealthy({ ...settings, url, timeoutMs: 300 }, asking);
    expect([healthy, attempts > 3, passedInARow < 3]).toEqual([false, true, true]);
  });

  test("the end of the time does not stand for an answer of the application", async () => {
    const { url } = await serve((n, _question, response) => { if (n < 2) json(response, good); });
    expect(await awaitHealthy({ ...settings, url, timeoutMs: 200 }, asking)).toMatchObject({ healthy: false, passedInARow: 2, attempts: 2, health: { healthy: true } });
  });

  test("one question at least is asked", async () => {
    const { url } = await serve(() => undefined);
    expect(await awaitHealthy({ ...settings, url, timeoutMs: 50 }, asking)).toMatchObject({ healthy: false, passedInARow: 0, attempts: 1, health: { detail: "no answer (none in time)" } });
  });

  test("a cancellation ends the waiting", async () => {
    const stop = new AbortController();
    const { url } = await serve((n, _question, response) => { json(response, {}); if (n === 2) stop.abort(); });
    await expect(awaitHealthy({ ...settings, url }, { clock, signal: stop.signal })).rejects.toMatchObject({ code: "cancelled" });
  });
});

describe("what an answer says", () => {
  const judge = (changes: Partial<HealthSettings>, body: unknown, release?: string) => judgeAnswer({ ...settings, ...changes }, 200, JSON.stringify(body), release);

  test("{release} stands for the release that is expected, and is not compared where none is", () => {
    const expecting = { expect: { "build.version": "v{release}" } };
    expect(judge(expecting, { build: { version: "v1.4.2" } }, "1.4.2")).toMatchObject({ healthy: true });
    expect(judge(expecting, { build: { version: "v1.4.1" } }, "1.4.2")).toMatchObject({ healthy: false, detail: "status 200, build.version=v1.4.1, but must be v1.4.2" });
    expect(judge(expecting, { build: { version: "v1.4.1" } })).toMatchObject({ healthy: true, detail: "status 200, build.version=v1.4.1, which was not compared" });
  });

  test("a value of another type is another value", () => {
    expect(judge({ expect: { up: true } }, { up: "true" })).toMatchObject({ healthy: false, detail: "status 200, up=true, but must be a boolean" });
    expect(judge({ expect: { up: 1 } }, { up: 1 })).toMatchObject({ healthy: true });
  });

  test("without expected values the status alone counts, whatever the body is", () => {
    expect(judgeAnswer({ ...settings, expect: {} }, 200, "OK", undefined)).toEqual({ healthy: true, detail: "status 200", version: null });
  });

  test("what is told of a value is short, on one line, and cannot move the cursor", () => {
    const { detail } = judge({ expect: { status: "healthy" } }, { status: `a\n\u001b[31m${"x".repeat(500)}` });
    expect(detail).toMatch(/^status 200, status=a \ufffd\[31mx{50,}…, but must be healthy$/);
    expect(detail.length).toBeLessThan(120);
  });

  test("a path goes through objects and lists, and into nothing that is not theirs", () => {
    const body = { checks: [{ name: "db", ok: true }], "": 1 };
    expect(valueAt(body, "checks.0.ok")).toBe(true);
    expect([valueAt(body, "checks.1.ok"), valueAt(body, "checks.length.x"), valueAt(body, "constructor"), valueAt(null, "a"), valueAt("text", "length")]).toEqual([undefined, undefined, undefined, undefined, undefined]);
  });
});
