// The two ways in which a device's state goes by a descriptor of the front-end's. Each owns that until `close`, and tells once, in
// words, what has come of it: "" where all went well.

import { Conveyor } from "../../transport/os/conveyor.ts";
import { asRefusal, Refusal } from "../../transport/os/errors.ts";
import { closeFd, createMemfd, duplicateFd } from "../../transport/os/fds.ts";
import { NativeMemory } from "../../transport/os/native-memory.ts";
import { isSentWhole } from "../../transport/os/sent-bytes.ts";
import type { StateType } from "../device-type.ts";
import type { ActorContext } from "../runtime/actor.ts";
import type { AnswerTo } from "../runtime/asks.ts";

type Saved = AnswerTo<{ type: "ask-state"; isWhole: boolean }>;

const lost = (type: StateType): string => `the ${type.queue} was lost meanwhile`;

/** Asks whoever has the state for it, and writes that. */
export class StateSaving {
  private token = 0;
  private conveyor: Conveyor | null = null;

  constructor(
    private readonly context: ActorContext,
    private readonly type: StateType,
    private readonly fd: number,
    private readonly ended: (failure: string) => void,
  ) {}

  start(): void {
    const settle = (answer: Saved): void => {
      try {
        this.write(answer);
      } catch (error) {
        this.ended(asRefusal(error).message);
      }
    };
    const { asks } = this.context;
    this.token = asks.ask(this.type.queue, { type: "ask-state", isWhole: true }, settle);
  }

  close(): void {
    this.context.asks.drop(this.token);
    if (this.conveyor === null) closeFd(this.fd);
    else this.conveyor.close();
  }

  private write(answer: Saved): void {
    const memory = memoryOf(answer, this.type);
    try {
      this.conveyor = new Conveyor(this.context.epoll, this.fd, memory, "out", this.ended);
    } catch (error) {
      memory.unmap();
      throw error;
    }
  }
}

/** The answer comes from a process that a guest may have taken over: reading beyond a file's end would end this one. */
function memoryOf(answer: Saved, type: StateType): NativeMemory {
  if (answer === null) throw new Refusal(lost(type));
  const { fd, bytes, error } = answer;
  if (error !== "") throw new Refusal(error);
  try {
    if (bytes > type.bytesMax || !isSentWhole(fd, bytes))
      throw new Refusal(`the ${type.queue}'s answer makes no sense`);
    return NativeMemory.mapShared(fd, 0, bytes, "read");
  } finally {
    closeFd(fd);
  }
}

/** Reads it, and has it checked and kept by whoever goes on with it. */
export class StateLoading {
  private token = 0;
  private readonly fd: number;
  private conveyor: Conveyor | null;

  /** Throws a {@link Refusal}, and takes over nothing, where there is no reading from `fd`. */
  constructor(
    private readonly context: ActorContext,
    private readonly type: StateType,
    fd: number,
    private readonly ended: (failure: string) => void,
  ) {
    // The byte more shows that there are more. Pages are made as they are filled.
    const room = type.bytesMax + 1;
    this.fd = createMemfd("fencepost-state", room);
    let memory: NativeMemory | null = null;
    try {
      memory = NativeMemory.mapShared(this.fd, 0, room, "write");
      this.conveyor = new Conveyor(context.epoll, fd, memory, "in", (failure, bytes) =>
        this.read(failure, bytes),
      );
    } catch (error) {
      memory?.unmap();
      closeFd(this.fd);
      throw error;
    }
  }

  close(): void {
    this.context.asks.drop(this.token);
    this.conveyor?.close();
    this.conveyor = null;
    closeFd(this.fd);
  }

  /** Whether the front-end may still write. */
  get isReading(): boolean {
    return this.conveyor !== null;
  }

  private read(failure: string, bytes: number): void {
    const { bytesMax } = this.type;
    const wrong =
      bytes === 0 ? "nothing came" : bytes > bytesMax ? `it is longer than ${bytesMax} bytes` : "";
    if (failure !== "" || wrong !== "") return this.ended(failure || wrong);
    this.conveyor!.close();
    this.conveyor = null;
    this.offer(bytes);
  }

  /** Whoever has the state owns the file from then on. */
  private offer(bytes: number): void {
    const { context, type } = this;
    let fd: number;
    try {
      fd = duplicateFd(this.fd);
    } catch (error) {
      return this.ended(asRefusal(error).message);
    }
    this.token = context.asks.ask(type.queue, { type: "ask-restore", fd, bytes }, (answer) =>
      this.ended(answer === null ? lost(type) : answer.error),
    );
  }
}
