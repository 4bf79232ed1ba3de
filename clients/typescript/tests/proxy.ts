/** A way to the API that can be hurt: what passes here is real on both ends. */

import {
  createServer,
  request as ask,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

/** What happens to the next request of a kind. */
export type Fault =
  /** The server does what is asked; its answer is lost. */
  | "lose-answer"
  /** The answer breaks off in its body. */
  | "truncate"
  /** The proxy answers in the server's place. */
  | { status: number; headers?: Record<string, string> };

export class Proxy {
  readonly seen: { method: string; path: string; headers: IncomingMessage["headers"] }[] = [];
  readonly #faults: { method: string; path: string; fault: Fault }[] = [];
  readonly #open = new Set<ServerResponse>();
  readonly #server: Server;
  readonly #target: string;

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer((request, response) => this.#pass(request, response));
  }

  static async to(target: string): Promise<Proxy> {
    const proxy = new Proxy(target);
    await new Promise<void>((done) => proxy.#server.listen(0, "127.0.0.1", done));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Hurt the next request of this method whose path begins so. */
  hurt(method: string, path: string, fault: Fault): void {
    this.#faults.push({ method, path, fault });
  }

  /** How many requests of this kind came. */
  count(method: string, path: string): number {
    return this.seen.filter((request) => request.method === method && request.path.startsWith(path)).length;
  }

  /** Break all connections that are being answered. */
  cut(): void {
    for (const response of this.#open) response.destroy();
  }

  [Symbol.dispose](): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  #pass(request: IncomingMessage, response: ServerResponse): void {
    const { method = "", url: path = "", headers } = request;
    this.seen.push({ method, path, headers });
    const at = this.#faults.findIndex((fault) => fault.method === method && path.startsWith(fault.path));
    const fault = at < 0 ? null : this.#faults.splice(at, 1)[0]!.fault;
    if (fault !== null && typeof fault === "object") {
      request.resume();
      response.writeHead(fault.status, fault.headers).end();
      return;
    }
    const host = new URL(this.#target).host;
    const onwards = ask(this.#target + path, { method, headers: { ...headers, host } }, (answer) => {
      if (fault === "lose-answer") {
        answer.resume();
        answer.on("end", () => response.destroy());
        return;
      }
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      this.#open.add(response);
      response.on("close", () => this.#open.delete(response));
      if (fault === "truncate") answer.once("data", (chunk: Buffer) => {
        response.write(chunk.subarray(0, chunk.length / 2), () => response.destroy());
      });
      else answer.pipe(response);
    });
    onwards.on("error", () => response.destroy());
    response.on("close", () => onwards.destroy());
    request.pipe(onwards);
  }
}
