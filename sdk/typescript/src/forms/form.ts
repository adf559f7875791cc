/** The forms that messages take on a socket; one is chosen as it opens. */
import type { ClientMessage, ServerMessage } from '../messages.ts';

export interface Form {
  /** The WebSocket subprotocol that stands for it. */
  readonly protocol: string;

  encode(message: ClientMessage): string | Uint8Array<ArrayBuffer>;

  /**
   * `null` for a message of a type that this version does not know, which is to be skipped.
   *
   * Throws `MalformedError` for what is no message. Members and fields that are not known are
   * skipped, so that an older client keeps working against a newer server.
   */
  decode(frame: string | Uint8Array): ServerMessage | null;
}
