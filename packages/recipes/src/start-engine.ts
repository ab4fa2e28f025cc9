import { TOKENS, type Run } from "@sdmprune/core";
import { selectBackend, type TensorBackend } from "@sdmprune/tensor";

export interface EngineRequest {
  /** A registered backend. Default: the first that can run. */
  readonly backend?: string;
  readonly threads?: number;
  /** Bytes of freed results that the backend may keep to use again. Default: the backend's own. */
  readonly poolBytes?: number;
}

/** Activates a tensor backend for the run, says which one, and registers it as the run's service. */
export async function startEngine(
  run: Run,
  { backend: name, threads, poolBytes }: EngineRequest,
): Promise<TensorBackend> {
  if (run.services.isRegistered(TOKENS.backend)) return run.services.resolve<TensorBackend>(TOKENS.backend);
  const { backend, skipped } = await selectBackend(run.registries, { name, threads, poolBytes });
  for (const { name: other, reason } of skipped) {
    run.progress({ type: "warning", message: `backend ${other} cannot run here: ${reason}.` });
  }
  run.progress({ type: "info", message: `backend: ${backend.name}` });
  run.services.registerService(
    TOKENS.backend,
    () => backend,
    (service) => void service.dispose?.(),
  );
  return run.services.resolve<TensorBackend>(TOKENS.backend);
}
