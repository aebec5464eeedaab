// The processes that another has started.

/** The ids of those that its first thread has started and that have not been waited for. */
export async function childrenOf(pid: number): Promise<string[]> {
  return (await Bun.file(`/proc/${pid}/task/${pid}/children`).text()).split(" ").filter((one) => one !== "");
}
