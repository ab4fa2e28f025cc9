import { describe, expect, it } from "vitest";
import { availableMemory, type ReadText } from "./available-memory.js";

const machine = { "/proc/meminfo": "MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:    8000 kB\n" };
const reader =
  (files: Readonly<Record<string, string>>): ReadText =>
  (path) =>
    Promise.resolve(files[path]);

describe("availableMemory", () => {
  it("is what the kernel says is available, where no group has a limit", async () => {
    expect(await availableMemory(reader(machine))).toBe(8000 * 1024);
    const unlimited = {
      ...machine,
      "/proc/self/cgroup": "0::/user\n",
      "/sys/fs/cgroup/user/memory.max": "max\n",
      "/sys/fs/cgroup/user/memory.current": "5000\n",
    };
    expect(await availableMemory(reader(unlimited))).toBe(8000 * 1024);
  });

  it("is what a group leaves of its limit, pages of files counted as free", async () => {
    const limited = {
      ...machine,
      "/proc/self/cgroup": "0::/job/step\n",
      "/sys/fs/cgroup/job/step/memory.max": "max\n",
      "/sys/fs/cgroup/job/step/memory.current": "1000\n",
      "/sys/fs/cgroup/job/memory.max": "1000000\n",
      "/sys/fs/cgroup/job/memory.current": "600000\n",
      "/sys/fs/cgroup/job/memory.stat": "anon 100\nactive_file 7\ninactive_file 500000\n",
    };
    expect(await availableMemory(reader(limited))).toBe(1_000_000 - 600_000 + 500_000);
  });

  it("reads the group of a container at the root, and the old hierarchy", async () => {
    const inContainer = {
      ...machine,
      "/proc/self/cgroup": "0::/\n",
      "/sys/fs/cgroup/memory.max": "2000\n",
      "/sys/fs/cgroup/memory.current": "500\n",
    };
    expect(await availableMemory(reader(inContainer))).toBe(1500);
    const old = {
      ...machine,
      "/proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n",
      "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "3000\n",
      "/sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes": "4000\n",
      "/sys/fs/cgroup/memory/docker/abc/memory.stat": "cache 1\ntotal_inactive_file 1200\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
      "/sys/fs/cgroup/memory/memory.usage_in_bytes": "1\n",
    };
    expect(await availableMemory(reader(old))).toBe(200);
  });

  it("is never negative, and some number on a system without such files", async () => {
    const over = {
      ...machine,
      "/proc/self/cgroup": "0::/\n",
      "/sys/fs/cgroup/memory.max": "100\n",
      "/sys/fs/cgroup/memory.current": "500\n",
    };
    expect(await availableMemory(reader(over))).toBe(0);
    expect(await availableMemory(reader({}))).toBeGreaterThan(0);
    expect(await availableMemory()).toBeGreaterThan(0);
  });
});
