// The Wayland protocols that Fencepost speaks. Made by scripts/generate-wayland.ts: change that instead.

import { type Interface, parseMessages } from "./descriptions.ts";
import { type Named, WaylandObject } from "./object.ts";

export interface WlDisplayEvents {
  error(objectId: WaylandObject, code: number, message: string): void;
  deleteId(id: number): void;
}

export class WlDisplay extends WaylandObject<WlDisplayEvents> {
  static readonly interface: Interface = {
    name: "wl_display",
    version: 1,
    requests: parseMessages(["sync n=wl_callback", "get_registry n=wl_registry"]),
    events: parseMessages(["error o u s", "delete_id u"]),
  };

  sync(): WlCallback {
    const made = this.connection.create(WlCallback, this.version);
    this.request(0, [made]);
    return made;
  }

  getRegistry(): WlRegistry {
    const made = this.connection.create(WlRegistry, this.version);
    this.request(1, [made]);
    return made;
  }
}

export interface WlRegistryEvents {
  global(name: number, interfaceName: string, version: number): void;
  globalRemove(name: number): void;
}

export class WlRegistry extends WaylandObject<WlRegistryEvents> {
  static readonly interface: Interface = {
    name: "wl_registry",
    version: 1,
    requests: parseMessages(["bind u s u n"]),
    events: parseMessages(["global u s u", "global_remove u"]),
  };

  bind<Type extends WaylandObject>(name: number, type: Named<Type>, version: number): Type {
    const made = this.connection.create(type, version);
    this.request(0, [name, type.interface.name, version, made]);
    return made;
  }
}

export interface WlCallbackEvents {
  done(callbackData: number): void;
}

export class WlCallback extends WaylandObject<WlCallbackEvents> {
  static readonly interface: Interface = {
    name: "wl_callback",
    version: 1,
    requests: parseMessages([]),
    events: parseMessages(["done u"]),
  };
}

export class WlCompositor extends WaylandObject {
  static readonly interface: Interface = {
    name: "wl_compositor",
    version: 4,
    requests: parseMessages(["create_surface n=wl_surface", "create_region n=wl_region"]),
    events: parseMessages([]),
  };

  createSurface(): WlSurface {
    const made = this.connection.create(WlSurface, this.version);
    this.request(0, [made]);
    return made;
  }
}

export class WlShmPool extends WaylandObject {
  static readonly interface: Interface = {
    name: "wl_shm_pool",
    version: 1,
    requests: parseMessages(["create_buffer n=wl_buffer i i i i u", "destroy", "resize i"]),
    events: parseMessages([]),
  };

  createBuffer(offset: number, width: number, height: number, stride: number, format: number): WlBuffer {
    const made = this.connection.create(WlBuffer, this.version);
    this.request(0, [made, offset, width, height, stride, format]);
    return made;
  }

  destroy(): void {
    this.requestEnd(1);
  }

  resize(size: number): void {
    this.request(2, [size]);
  }
}

export interface WlShmEvents {
  format(format: number): void;
}

export class WlShm extends WaylandObject<WlShmEvents> {
  static readonly interface: Interface = {
    name: "wl_shm",
    version: 1,
    requests: parseMessages(["create_pool n=wl_shm_pool h i"]),
    events: parseMessages(["format u"]),
  };

  createPool(fd: number, size: number): WlShmPool {
    const made = this.connection.create(WlShmPool, this.version);
    this.request(0, [made, fd, size]);
    return made;
  }
}

export interface WlBufferEvents {
  release(): void;
}

export class WlBuffer extends WaylandObject<WlBufferEvents> {
  static readonly interface: Interface = {
    name: "wl_buffer",
    version: 1,
    requests: parseMessages(["destroy"]),
    events: parseMessages(["release"]),
  };

  destroy(): void {
    this.requestEnd(0);
  }
}

export interface WlSurfaceEvents {
  enter(output: WlOutput): void;
  leave(output: WlOutput): void;
}

export class WlSurface extends WaylandObject<WlSurfaceEvents> {
  static readonly interface: Interface = {
    name: "wl_surface",
    version: 4,
    requests: parseMessages([
      "destroy",
      "attach ?o=wl_buffer i i",
      "damage i i i i",
      "frame n=wl_callback",
      "set_opaque_region ?o=wl_region",
      "set_input_region ?o=wl_region",
      "commit",
      "set_buffer_transform i",
      "set_buffer_scale i",
      "damage_buffer i i i i",
    ]),
    events: parseMessages(["enter o=wl_output", "leave o=wl_output"]),
  };

  destroy(): void {
    this.requestEnd(0);
  }

  attach(buffer: WlBuffer | null, x: number, y: number): void {
    this.request(1, [buffer, x, y]);
  }

  damage(x: number, y: number, width: number, height: number): void {
    this.request(2, [x, y, width, height]);
  }

  frame(): WlCallback {
    const made = this.connection.create(WlCallback, this.version);
    this.request(3, [made]);
    return made;
  }

  commit(): void {
    this.request(6);
  }

  setBufferTransform(transform: number): void {
    this.request(7, [transform]);
  }

  setBufferScale(scale: number): void {
    this.request(8, [scale]);
  }

  damageBuffer(x: number, y: number, width: number, height: number): void {
    this.request(9, [x, y, width, height]);
  }
}

export interface WlSeatEvents {
  capabilities(capabilities: number): void;
  name(name: string): void;
}

export class WlSeat extends WaylandObject<WlSeatEvents> {
  static readonly interface: Interface = {
    name: "wl_seat",
    version: 5,
    requests: parseMessages([
      "get_pointer n=wl_pointer",
      "get_keyboard n=wl_keyboard",
      "get_touch n=wl_touch",
      "release",
    ]),
    events: parseMessages(["capabilities u", "name s"]),
  };

  getPointer(): WlPointer {
    const made = this.connection.create(WlPointer, this.version);
    this.request(0, [made]);
    return made;
  }

  release(): void {
    this.requestEnd(3);
  }
}

export const WlSeatCapability = { pointer: 1, keyboard: 2, touch: 4 } as const;

export interface WlPointerEvents {
  enter(serial: number, surface: WlSurface, surfaceX: number, surfaceY: number): void;
  leave(serial: number, surface: WlSurface): void;
  motion(time: number, surfaceX: number, surfaceY: number): void;
  button(serial: number, time: number, button: number, state: number): void;
  axis(time: number, axis: number, value: number): void;
  frame(): void;
  axisSource(axisSource: number): void;
  axisStop(time: number, axis: number): void;
  axisDiscrete(axis: number, discrete: number): void;
}

export class WlPointer extends WaylandObject<WlPointerEvents> {
  static readonly interface: Interface = {
    name: "wl_pointer",
    version: 5,
    requests: parseMessages(["set_cursor u ?o=wl_surface i i", "release"]),
    events: parseMessages([
      "enter u o=wl_surface f f",
      "leave u o=wl_surface",
      "motion u f f",
      "button u u u u",
      "axis u u f",
      "frame",
      "axis_source u",
      "axis_stop u u",
      "axis_discrete u i",
    ]),
  };

  setCursor(serial: number, surface: WlSurface | null, hotspotX: number, hotspotY: number): void {
    this.request(0, [serial, surface, hotspotX, hotspotY]);
  }

  release(): void {
    this.requestEnd(1);
  }
}

export interface WlOutputEvents {
  geometry(
    x: number,
    y: number,
    physicalWidth: number,
    physicalHeight: number,
    subpixel: number,
    make: string,
    model: string,
    transform: number,
  ): void;
  mode(flags: number, width: number, height: number, refresh: number): void;
  done(): void;
  scale(factor: number): void;
}

export class WlOutput extends WaylandObject<WlOutputEvents> {
  static readonly interface: Interface = {
    name: "wl_output",
    version: 2,
    requests: parseMessages([]),
    events: parseMessages(["geometry i i i i i s s i", "mode u i i i", "done", "scale i"]),
  };
}

export interface XdgWmBaseEvents {
  ping(serial: number): void;
}

export class XdgWmBase extends WaylandObject<XdgWmBaseEvents> {
  static readonly interface: Interface = {
    name: "xdg_wm_base",
    version: 2,
    requests: parseMessages([
      "destroy",
      "create_positioner n=xdg_positioner",
      "get_xdg_surface n=xdg_surface o=wl_surface",
      "pong u",
    ]),
    events: parseMessages(["ping u"]),
  };

  destroy(): void {
    this.requestEnd(0);
  }

  getXdgSurface(surface: WlSurface): XdgSurface {
    const made = this.connection.create(XdgSurface, this.version);
    this.request(2, [made, surface]);
    return made;
  }

  pong(serial: number): void {
    this.request(3, [serial]);
  }
}

export interface XdgSurfaceEvents {
  configure(serial: number): void;
}

export class XdgSurface extends WaylandObject<XdgSurfaceEvents> {
  static readonly interface: Interface = {
    name: "xdg_surface",
    version: 2,
    requests: parseMessages([
      "destroy",
      "get_toplevel n=xdg_toplevel",
      "get_popup n=xdg_popup ?o=xdg_surface o=xdg_positioner",
      "set_window_geometry i i i i",
      "ack_configure u",
    ]),
    events: parseMessages(["configure u"]),
  };

  destroy(): void {
    this.requestEnd(0);
  }

  getToplevel(): XdgToplevel {
    const made = this.connection.create(XdgToplevel, this.version);
    this.request(1, [made]);
    return made;
  }

  setWindowGeometry(x: number, y: number, width: number, height: number): void {
    this.request(3, [x, y, width, height]);
  }

  ackConfigure(serial: number): void {
    this.request(4, [serial]);
  }
}

export interface XdgToplevelEvents {
  configure(width: number, height: number, states: Uint8Array): void;
  close(): void;
}

export class XdgToplevel extends WaylandObject<XdgToplevelEvents> {
  static readonly interface: Interface = {
    name: "xdg_toplevel",
    version: 2,
    requests: parseMessages([
      "destroy",
      "set_parent ?o=xdg_toplevel",
      "set_title s",
      "set_app_id s",
      "show_window_menu o=wl_seat u i i",
      "move o=wl_seat u",
      "resize o=wl_seat u u",
      "set_max_size i i",
      "set_min_size i i",
      "set_maximized",
      "unset_maximized",
      "set_fullscreen ?o=wl_output",
      "unset_fullscreen",
      "set_minimized",
    ]),
    events: parseMessages(["configure i i a", "close"]),
  };

  destroy(): void {
    this.requestEnd(0);
  }

  setParent(parent: XdgToplevel | null): void {
    this.request(1, [parent]);
  }

  setTitle(title: string): void {
    this.request(2, [title]);
  }

  setAppId(appId: string): void {
    this.request(3, [appId]);
  }

  showWindowMenu(seat: WlSeat, serial: number, x: number, y: number): void {
    this.request(4, [seat, serial, x, y]);
  }

  move(seat: WlSeat, serial: number): void {
    this.request(5, [seat, serial]);
  }

  resize(seat: WlSeat, serial: number, edges: number): void {
    this.request(6, [seat, serial, edges]);
  }

  setMaxSize(width: number, height: number): void {
    this.request(7, [width, height]);
  }

  setMinSize(width: number, height: number): void {
    this.request(8, [width, height]);
  }

  setMaximized(): void {
    this.request(9);
  }

  unsetMaximized(): void {
    this.request(10);
  }

  setFullscreen(output: WlOutput | null): void {
    this.request(11, [output]);
  }

  unsetFullscreen(): void {
    this.request(12);
  }

  setMinimized(): void {
    this.request(13);
  }
}

export const XdgToplevelState = {
  maximized: 1,
  fullscreen: 2,
  resizing: 3,
  activated: 4,
  tiledLeft: 5,
  tiledRight: 6,
  tiledTop: 7,
  tiledBottom: 8,
} as const;

export class WpViewporter extends WaylandObject {
  static readonly interface: Interface = {
    name: "wp_viewporter",
    version: 1,
    requests: parseMessages(["destroy", "get_viewport n=wp_viewport o=wl_surface"]),
    events: parseMessages([]),
  };

  destroy(): void {
    this.requestEnd(0);
  }

  getViewport(surface: WlSurface): WpViewport {
    const made = this.connection.create(WpViewport, this.version);
    this.request(1, [made, surface]);
    return made;
  }
}

export class WpViewport extends WaylandObject {
  static readonly interface: Interface = {
    name: "wp_viewport",
    version: 1,
    requests: parseMessages(["destroy", "set_source f f f f", "set_destination i i"]),
    events: parseMessages([]),
  };

  destroy(): void {
    this.requestEnd(0);
  }

  setSource(x: number, y: number, width: number, height: number): void {
    this.request(1, [x, y, width, height]);
  }

  setDestination(width: number, height: number): void {
    this.request(2, [width, height]);
  }
}

export class WpFractionalScaleManagerV1 extends WaylandObject {
  static readonly interface: Interface = {
    name: "wp_fractional_scale_manager_v1",
    version: 1,
    requests: parseMessages(["destroy", "get_fractional_scale n=wp_fractional_scale_v1 o=wl_surface"]),
    events: parseMessages([]),
  };

  destroy(): void {
    this.requestEnd(0);
  }

  getFractionalScale(surface: WlSurface): WpFractionalScaleV1 {
    const made = this.connection.create(WpFractionalScaleV1, this.version);
    this.request(1, [made, surface]);
    return made;
  }
}

export interface WpFractionalScaleV1Events {
  preferredScale(scale: number): void;
}

export class WpFractionalScaleV1 extends WaylandObject<WpFractionalScaleV1Events> {
  static readonly interface: Interface = {
    name: "wp_fractional_scale_v1",
    version: 1,
    requests: parseMessages(["destroy"]),
    events: parseMessages(["preferred_scale u"]),
  };

  destroy(): void {
    this.requestEnd(0);
  }
}

export class ZxdgDecorationManagerV1 extends WaylandObject {
  static readonly interface: Interface = {
    name: "zxdg_decoration_manager_v1",
    version: 1,
    requests: parseMessages([
      "destroy",
      "get_toplevel_decoration n=zxdg_toplevel_decoration_v1 o=xdg_toplevel",
    ]),
    events: parseMessages([]),
  };

  destroy(): void {
    this.requestEnd(0);
  }

  getToplevelDecoration(toplevel: XdgToplevel): ZxdgToplevelDecorationV1 {
    const made = this.connection.create(ZxdgToplevelDecorationV1, this.version);
    this.request(1, [made, toplevel]);
    return made;
  }
}

export interface ZxdgToplevelDecorationV1Events {
  configure(mode: number): void;
}

export class ZxdgToplevelDecorationV1 extends WaylandObject<ZxdgToplevelDecorationV1Events> {
  static readonly interface: Interface = {
    name: "zxdg_toplevel_decoration_v1",
    version: 1,
    requests: parseMessages(["destroy", "set_mode u", "unset_mode"]),
    events: parseMessages(["configure u"]),
  };

  destroy(): void {
    this.requestEnd(0);
  }

  setMode(mode: number): void {
    this.request(1, [mode]);
  }

  unsetMode(): void {
    this.request(2);
  }
}

export const ZxdgToplevelDecorationV1Mode = { clientSide: 1, serverSide: 2 } as const;

export interface ZwpLinuxDmabufV1Events {
  format(format: number): void;
  modifier(format: number, modifierHi: number, modifierLo: number): void;
}

export class ZwpLinuxDmabufV1 extends WaylandObject<ZwpLinuxDmabufV1Events> {
  static readonly interface: Interface = {
    name: "zwp_linux_dmabuf_v1",
    version: 4,
    requests: parseMessages([
      "destroy",
      "create_params n=zwp_linux_buffer_params_v1",
      "get_default_feedback n=zwp_linux_dmabuf_feedback_v1",
      "get_surface_feedback n=zwp_linux_dmabuf_feedback_v1 o=wl_surface",
    ]),
    events: parseMessages(["format u", "modifier u u u"]),
  };

  destroy(): void {
    this.requestEnd(0);
  }

  createParams(): ZwpLinuxBufferParamsV1 {
    const made = this.connection.create(ZwpLinuxBufferParamsV1, this.version);
    this.request(1, [made]);
    return made;
  }

  getDefaultFeedback(): ZwpLinuxDmabufFeedbackV1 {
    const made = this.connection.create(ZwpLinuxDmabufFeedbackV1, this.version);
    this.request(2, [made]);
    return made;
  }

  getSurfaceFeedback(surface: WlSurface): ZwpLinuxDmabufFeedbackV1 {
    const made = this.connection.create(ZwpLinuxDmabufFeedbackV1, this.version);
    this.request(3, [made, surface]);
    return made;
  }
}

export interface ZwpLinuxBufferParamsV1Events {
  failed(): void;
}

export class ZwpLinuxBufferParamsV1 extends WaylandObject<ZwpLinuxBufferParamsV1Events> {
  static readonly interface: Interface = {
    name: "zwp_linux_buffer_params_v1",
    version: 4,
    requests: parseMessages([
      "destroy",
      "add h u u u u u",
      "create i i u u",
      "create_immed n=wl_buffer i i u u",
    ]),
    events: parseMessages(["created n=wl_buffer", "failed"]),
  };

  destroy(): void {
    this.requestEnd(0);
  }

  add(
    fd: number,
    planeIdx: number,
    offset: number,
    stride: number,
    modifierHi: number,
    modifierLo: number,
  ): void {
    this.request(1, [fd, planeIdx, offset, stride, modifierHi, modifierLo]);
  }

  create(width: number, height: number, format: number, flags: number): void {
    this.request(2, [width, height, format, flags]);
  }

  createImmed(width: number, height: number, format: number, flags: number): WlBuffer {
    const made = this.connection.create(WlBuffer, this.version);
    this.request(3, [made, width, height, format, flags]);
    return made;
  }
}

export const ZwpLinuxBufferParamsV1Flags = { yInvert: 1, interlaced: 2, bottomFirst: 4 } as const;

export interface ZwpLinuxDmabufFeedbackV1Events {
  done(): void;
  formatTable(fd: number, size: number): void;
  mainDevice(device: Uint8Array): void;
  trancheDone(): void;
  trancheTargetDevice(device: Uint8Array): void;
  trancheFormats(indices: Uint8Array): void;
  trancheFlags(flags: number): void;
}

export class ZwpLinuxDmabufFeedbackV1 extends WaylandObject<ZwpLinuxDmabufFeedbackV1Events> {
  static readonly interface: Interface = {
    name: "zwp_linux_dmabuf_feedback_v1",
    version: 4,
    requests: parseMessages(["destroy"]),
    events: parseMessages([
      "done",
      "format_table h u",
      "main_device a",
      "tranche_done",
      "tranche_target_device a",
      "tranche_formats a",
      "tranche_flags u",
    ]),
  };

  destroy(): void {
    this.requestEnd(0);
  }
}
