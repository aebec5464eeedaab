// Latency.

export const Latency = () => <p class="nothing">Nothing yet</p>;
