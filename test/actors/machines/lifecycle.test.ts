// The only writer of states: what it allows, refuses and moves.
import { describe, expect, test } from "bun:test";
import { compile } from "../../../src/actors/machines/compile.ts";
import { contextMachine } from "../../../src/actors/machines/context.ts";
import { Entity, Lifecycle } from "../../../src/actors/machines/lifecycle.ts";
import { vringMachine } from "../../../src/actors/machines/vring.ts";
import { Response } from "../../../src/transport/wire/virtio-gpu/protocol.ts";

class Thing extends Entity {}
const contexts = new Lifecycle(compile(contextMachine));
const create = contexts.event("CTX_CREATE");
const destroy = contexts.event("CTX_DESTROY");
const submit = contexts.event("SUBMIT_3D");
const fault = contexts.event("FAULT");

describe("what may happen", () => {
  test("to what is not there is what may happen at the beginning", () => {
    expect(contexts.may(undefined, create)).toBe(0);
    expect(contexts.may(undefined, submit)).toBe(Response.ERR_INVALID_CONTEXT_ID);
    expect(contexts.may(new Thing(), submit)).toBe(Response.ERR_INVALID_CONTEXT_ID);
  });

  test("is asked without any change", () => {
    const context = new Thing();
    expect(contexts.may(context, create)).toBe(0);
    expect(contexts.nameOf(context)).toBe("absent");
  });

  test("earns the code that the state says", () => {
    const context = new Thing();
    contexts.take(context, create);
    expect(contexts.may(context, create)).toBe(Response.ERR_INVALID_CONTEXT_ID);
    contexts.take(context, fault);
    expect(contexts.may(context, submit)).toBe(Response.ERR_UNSPEC);
  });
});

describe("what has happened", () => {
  test("moves the entity, and comes round to the beginning", () => {
    const context = new Thing();
    contexts.take(context, create);
    expect(contexts.nameOf(context)).toBe("created");
    contexts.take(context, submit);
    expect(contexts.nameOf(context)).toBe("created");
    contexts.take(context, destroy);
    expect(contexts.nameOf(context)).toBe("absent");
  });

  test("against the machine is a bug that names the event and the state", () => {
    expect(() => contexts.take(new Thing(), submit)).toThrow("SUBMIT_3D of a context that is absent");
  });

  test("to an object that is used again is forgotten", () => {
    const context = new Thing();
    contexts.take(context, create);
    contexts.renew(context);
    expect(contexts.nameOf(context)).toBe("absent");
  });
});

test("states are told by parts of their names", () => {
  const vrings = new Lifecycle(compile(vringMachine));
  const enabled = vrings.statesWith("enabled");
  const vring = new Thing();
  expect(vrings.isIn(vring, enabled)).toBe(false);
  vrings.take(vring, vrings.event("ENABLE"));
  expect(vrings.isIn(vring, enabled)).toBe(true);
});
