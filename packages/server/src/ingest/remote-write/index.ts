export {
  createRemoteWriteReceiver,
  DEFAULT_REMOTE_WRITE_LIMITS,
  type RemoteWriteLimits,
  type RemoteWriteOptions,
  type RemoteWriteReceiver,
  type RemoteWriteRequest,
  type RemoteWriteResponse,
} from "./receiver.ts";
