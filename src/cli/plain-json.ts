// JSON that a terminal only shows, whatever a guest has chosen of it.

/** What a terminal would act on is escaped in it, and it is the same JSON. */
export const plainJson = (json: string): string =>
  json.replaceAll(/[\u007f-\u009f\u2028\u2029\p{Cf}]/gu, (character) =>
    Array.from(
      { length: character.length },
      (_, at) => `\\u${character.charCodeAt(at).toString(16).padStart(4, "0")}`,
    ).join(""),
  );
