/**
 * The huntcore client for browsers and Node.
 *
 * `HuntcoreClient` reads over HTTP and opens live connections; `LiveHunt` is one of those;
 * `json` and `proto` are the forms that its messages may travel in.
 */
export {
  ApiError,
  HuntcoreClient,
  type Asking,
  type BoardQuery,
  type StandingQuery,
  type WindowQuery,
} from './http/client.ts';
export type {
  BoardDefinition,
  BoardPage,
  BoardSummary,
  Cells,
  Coordinate,
  FlagSetting,
  Guest,
  Hunt,
  HuntSummary,
  MapView,
  Outline,
  ProjectionLag,
  Retention,
  RoundView,
  Standing,
  Stats,
  StreamRetention,
  TileView,
  WeightedValue,
  WindowPage,
  WindowView,
} from './http/views.ts';
export {
  LiveHunt,
  SubscriptionError,
  type ClaimOptions,
  type LiveEvent,
  type LiveOptions,
  type SocketMaker,
  type Subscription,
} from './live/hunt.ts';
export type { Backoff, CloseMeaning } from './live/backoff.ts';
export { CLAIMS_PENDING_MAX, ClaimError } from './live/claims.ts';
export type { Socket, Status, Surroundings } from './live/connection.ts';
export { LiveState, type Holder, type LiveRound, type LiveView } from './live/state.ts';
export type { Form } from './forms/form.ts';
export { json } from './forms/json.ts';
export { proto } from './forms/proto.ts';
export { MalformedError } from './reading.ts';
export * from './messages.ts';
