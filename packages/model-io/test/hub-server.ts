import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

/** A repository to serve. */
export interface ServedRepo {
  type: "model" | "dataset";
  name: string;
  /** Contents by path. */
  files: Record<string, Uint8Array>;
  /** Branches and tags beside `main`; all stand for the same commit. */
  refs?: string[];
  /** Answer only to requests with this token. */
  token?: string;
}

export interface HubServerOptions {
  /** Files of at least this size are served as large files: by redirect, known by SHA-256. Default 1024. */
  lfsBytes?: number;
  /** Entries in one page of a listing. Default 1000. */
  pageSize?: number;
  /** Called before every answer; "drop" ends the body half-way, a number is sent as the status. */
  fault?: (method: string, url: string) => "drop" | number | undefined;
}

export interface HubServer {
  url: string;
  /** `METHOD path`, with the range if there is one, of every request so far. */
  requests: string[];
  commitOf(repo: string): string;
  close(): Promise<void>;
}

/** A server that speaks the part of the hub's protocol that clients use to list and download files. */
export async function startHubServer(
  repos: ServedRepo[],
  options: HubServerOptions = {},
): Promise<HubServer> {
  const { lfsBytes = 1024, pageSize = 1000, fault = () => undefined } = options;
  const requests: string[] = [];
  const blobs = new Map<string, Uint8Array>();
  const served = repos.map((repo) => describeRepo(repo, lfsBytes, blobs));

  const listen = (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? "/", "http://hub");
    requests.push(
      [request.method, decodeURIComponent(url.pathname), request.headers.range ?? ""].join(" ").trim(),
    );
    const failure = fault(request.method ?? "", decodeURIComponent(url.pathname));
    if (typeof failure === "number") return sendError(response, failure, "", `status ${failure} on purpose`);
    answer(request, response, url, failure === "drop");
  };
  // Large files come from another host, as on the hub, which must not see the hub's token.
  const hub = createServer(listen);
  const storage = createServer(listen);

  function answer(request: IncomingMessage, response: ServerResponse, url: URL, drop: boolean): void {
    const path = decodeURIComponent(url.pathname);
    const large = /^\/lfs\/([0-9a-f]{64})$/.exec(path)?.[1];
    if (large !== undefined && request.headers.authorization !== undefined) {
      return sendError(response, 400, "", "the token of the hub was sent to its storage");
    }
    if (large !== undefined) return sendBytes(request, response, blobs.get(large)!, `"${large}"`, drop);

    const api = /^\/api\/(model|dataset)s\//.exec(path);
    const rest = api ? path.slice(api[0].length) : path.slice(1).replace(/^datasets\//, "");
    const type = api ? api[1] : path.startsWith("/datasets/") ? "dataset" : "model";
    const repo = served.find((repo) => repo.type === type && (rest + "/").startsWith(`${repo.name}/`));
    if (repo === undefined) return sendError(response, 401, "RepoNotFound", "Repository not found");
    if (repo.token !== undefined && request.headers.authorization !== `Bearer ${repo.token}`) {
      const gated = request.headers.authorization !== undefined;
      return gated
        ? sendError(response, 403, "GatedRepo", "Access to this repository is restricted")
        : sendError(response, 401, "GatedRepo", "Access to this repository is restricted");
    }
    const [verb = "revision", ...tail] = rest
      .slice(repo.name.length + 1)
      .split("/")
      .filter(Boolean);
    const revision = ["main", repo.commit, ...(repo.refs ?? [])].find((ref) =>
      (tail.join("/") + "/").startsWith(`${ref}/`),
    );
    if (tail.length > 0 && revision === undefined) {
      return sendError(response, 404, "RevisionNotFound", `Invalid rev id: ${tail.join("/")}`);
    }
    response.setHeader("X-Repo-Commit", repo.commit);
    const file = tail.join("/").slice((revision?.length ?? 0) + 1);
    switch (verb) {
      case "revision":
        return sendJson(response, {
          ...repo.info,
          siblings: repo.entries.map(({ path }) => ({ rfilename: path })),
        });
      case "tree": {
        const start = Number(url.searchParams.get("cursor") ?? 0);
        const entries = repo.entries.filter(({ path }) => file === "" || path.startsWith(`${file}/`));
        if (start + pageSize < entries.length) {
          const next = new URL(`http://${request.headers.host}${request.url}`);
          next.searchParams.set("cursor", String(start + pageSize));
          response.setHeader("Link", `<${next}>; rel="next"`);
        }
        return sendJson(response, entries.slice(start, start + pageSize));
      }
      case "resolve": {
        const entry = repo.entries.find(({ path }) => path === file);
        if (entry === undefined) return sendError(response, 404, "EntryNotFound", "Entry not found");
        const etag = entry.lfs?.oid ?? entry.oid;
        response.setHeader("X-Linked-Etag", `"${etag}"`);
        response.setHeader("X-Linked-Size", entry.size);
        if (entry.lfs !== undefined) {
          return void response
            .writeHead(302, { Location: `${addressOf(storage)}/lfs/${entry.lfs.oid}`, "Content-Length": 0 })
            .end();
        }
        return sendBytes(request, response, blobs.get(etag)!, `"${etag}"`, drop);
      }
      default:
        return sendError(response, 404, "", `no such endpoint: ${path}`);
    }
  }

  for (const server of [hub, storage]) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  }
  return {
    url: addressOf(hub),
    requests,
    commitOf: (name) => served.find((repo) => repo.name === name)!.commit,
    close: async () => {
      for (const server of [hub, storage]) {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      }
    },
  };
}

function addressOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function describeRepo(repo: ServedRepo, lfsBytes: number, blobs: Map<string, Uint8Array>) {
  const commit = createHash("sha1").update(repo.name);
  const entries = Object.entries(repo.files).map(([path, bytes]) => {
    const oid = createHash("sha1").update(`blob ${bytes.byteLength}\0`).update(bytes).digest("hex");
    const sha256 = createHash("sha256").update(bytes).digest("hex");
    commit.update(`${path} ${oid}`);
    blobs.set(oid, bytes).set(sha256, bytes);
    const lfs = { oid: sha256, size: bytes.byteLength, pointerSize: 130 };
    const isLarge = bytes.byteLength >= lfsBytes;
    return { type: "file", path, size: bytes.byteLength, oid, ...(isLarge ? { lfs } : {}) };
  });
  const sha = commit.digest("hex");
  const day = "2026-01-01T00:00:00.000Z";
  const info = {
    _id: sha.slice(0, 24), id: repo.name, modelId: repo.name, sha, private: false, gated: false, disabled: false,
    downloads: 0, likes: 0, tags: [], lastModified: day, createdAt: day,
  }; // prettier-ignore
  return { ...repo, commit: sha, info, entries };
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(value));
}

function sendError(response: ServerResponse, status: number, code: string, error: string): void {
  response
    .writeHead(status, { "Content-Type": "application/json", "X-Error-Code": code, "X-Error-Message": error })
    .end(JSON.stringify({ error }));
}

function sendBytes(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Uint8Array,
  etag: string,
  drop: boolean,
): void {
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "");
  const start = range ? Number(range[1]) : 0;
  const end = Math.min(range?.[2] ? Number(range[2]) + 1 : bytes.byteLength, bytes.byteLength);
  const headers = {
    ETag: etag,
    "Accept-Ranges": "bytes",
    "Content-Length": end - start,
    ...(range ? { "Content-Range": `bytes ${start}-${end - 1}/${bytes.byteLength}` } : {}),
  };
  response.writeHead(range ? 206 : 200, headers);
  if (request.method === "HEAD") return void response.end();
  if (drop && end - start > 1) {
    response.write(bytes.subarray(start, start + Math.floor((end - start) / 2)), () => response.destroy());
    return;
  }
  response.end(bytes.subarray(start, end));
}
