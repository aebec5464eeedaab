// Actors.

export const Actors = () => <p class="nothing">Nothing yet</p>;
