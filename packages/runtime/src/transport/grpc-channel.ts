/** How a worker's gRPC server is dialled: TLS or plain text, keepalive, limits. */
import { credentials, type ChannelCredentials, type ChannelOptions } from '@grpc/grpc-js';
import type { GrpcEndpoint } from '../placement/placement.js';

/**
 * After how long without traffic the other end is asked whether it is there, and how long it may take to answer. gRPC
 * answers on threads of its own, which need no GIL: a worker that holds it for minutes is not mistaken for a dead one.
 */
const KEEPALIVE_MS = 20_000;

/** @internal */
export function credentialsFor({ tls }: GrpcEndpoint): ChannelCredentials {
  return tls === undefined
    ? credentials.createInsecure()
    : credentials.createSsl(tls.ca, tls.key ?? null, tls.cert ?? null);
}

/** @internal */
export function channelOptions({ address, tls }: GrpcEndpoint): ChannelOptions {
  return {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    // A connection per lane, which ends with it, and no pause after an attempt of an earlier one has failed.
    'grpc.use_local_subchannel_pool': 1,
    'grpc.service_config_disable_resolution': 1,
    'grpc.enable_http_proxy': 0,
    ...(address.startsWith('unix:')
      ? { 'grpc.default_authority': 'localhost' } // a socket's path is no valid authority
      : { 'grpc.keepalive_time_ms': KEEPALIVE_MS, 'grpc.keepalive_timeout_ms': KEEPALIVE_MS }),
    ...(tls?.serverName === undefined
      ? {}
      : { 'grpc.ssl_target_name_override': tls.serverName, 'grpc.default_authority': tls.serverName }),
  };
}
