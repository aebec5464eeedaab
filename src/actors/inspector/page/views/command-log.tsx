// CommandLog.

export const CommandLog = () => <p class="nothing">Nothing yet</p>;
