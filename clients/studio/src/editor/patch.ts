/** Applies JSON Patches (RFC 6902), by which the server describes edits. */

import type { Edited } from "auteur-client";

type Steps = Edited["patch"];
type Node = Record<string, unknown> | unknown[];

/** Return the applyPatch document; unchanged parts are the same objects as before. */
export function applyPatch<T extends object>(document: T, steps: Steps): T {
  const own = new Set<unknown>();
  const copy = (value: unknown): Node => {
    if (own.has(value)) return value as Node;
    const result = Array.isArray(value) ? [...value] : { ...(value as object) };
    own.add(result);
    return result as Node;
  };
  const root = copy(document);
  const parentOf = (path: string): [Node, string] => {
    const keys = path.split("/").slice(1).map(unescapeKey);
    const last = keys.pop()!;
    let node = root;
    for (const key of keys) node = write(node, key, copy(read(node, key)));
    return [node, last];
  };
  const take = (path: string): unknown => {
    const [node, key] = parentOf(path);
    const value = read(node, key);
    if (Array.isArray(node)) node.splice(Number(key), 1);
    else delete node[key];
    return value;
  };
  const put = (path: string, value: unknown) => {
    const [node, key] = parentOf(path);
    if (!Array.isArray(node)) node[key] = value;
    else node.splice(key === "-" ? node.length : Number(key), 0, value);
  };
  for (const { op, path, value, from } of steps) {
    if (op === "add") put(path, value);
    else if (op === "remove") take(path);
    else if (op === "replace") write(...parentOf(path), value as Node);
    else if (op === "move") put(path, take(from!));
    else if (op === "copy") put(path, structuredClone(read(...parentOf(from!))));
  }
  return root as T;
}

function read(node: Node, key: string): unknown {
  return (node as Record<string, unknown>)[key];
}

function write(node: Node, key: string, value: Node): Node {
  (node as Record<string, unknown>)[key] = value;
  return value;
}

function unescapeKey(key: string): string {
  return key.replaceAll("~1", "/").replaceAll("~0", "~");
}
