// What messages are called: commands by a verb, events in the past tense, a question ask-x and its answer x.

import { expect, test } from "bun:test";
import { answerNames } from "../../src/actors/runtime/asks.ts";
import { schemas, typesOf } from "../support/schemas.ts";

/** The first word of a command. A new one is added here when no other says it. */
const verbs = new Set(
  [
    [
      "add",
      "check",
      "drop",
      "enable",
      "expect",
      "flush",
      "hide",
      "listen",
      "log",
      "map",
      "move",
      "offer",
      "poll",
    ],
    ["record", "reset", "resume", "set", "show", "shut", "start", "step", "stop", "take"],
  ].flat(),
);
/** The last word of an event. */
const pastTense = /(?:ed|done|broken|forgotten|lost|read|sent)$/;

for (const [actor, schema] of Object.entries(schemas)) {
  test(`the ${actor} is told by verbs, asked by ask-x, and hears of what has happened in the past tense`, () => {
    const odd = typesOf(schema).filter((type) => {
      const [first] = type.split("-");
      return first !== "ask" && !verbs.has(first!) && !pastTense.test(type) && !answerNames.has(type);
    });
    const advice =
      "begin a command with a verb (a new one goes into `verbs`), or call the answer to ask-x just x";
    expect(odd, advice).toEqual([]);
  });
}

test("no message is called as one of another actor that means something else", () => {
  const owners = Map.groupBy(
    Object.entries(schemas).flatMap(([actor, schema]) => typesOf(schema).map((type) => ({ actor, type }))),
    ({ type }) => type,
  );
  const shared = [...owners].filter(([, { length }]) => length > 1).map(([type]) => type);
  // Both queues are told the same, everybody may be asked how it is, and two who ask for the outputs, or for a guest's state, are
  // told by one schema.
  const alike = new Set(["ask-description", "outputs", "state", "restore"]);
  const queues = new Set(typesOf(schemas["cursor-queue"]));
  expect(shared.filter((type) => !queues.has(type) && !alike.has(type))).toEqual([]);
});
