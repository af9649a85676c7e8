"""Channel options that servers and clients agree on: how a silent connection is told from a dead one."""

from typing import Final

CLIENT_PING_MS: Final = 30_000
PING_TIMEOUT_MS: Final = 10_000
LEAST_PING_INTERVAL_MS: Final = 10_000
"""Clients that ping more often than this are cut off."""
HANDSHAKE_MS: Final = 20_000
"""Who has connected, and has not begun to speak HTTP/2 by then, is cut off."""
_UNCOMPRESSED: Final = 1
"""The set of compressions (a bit each) that has none in it but the identity."""

Options = list[tuple[str, int | str]]


def server_options(max_request_bytes: int) -> Options:
    """Return the server's options. Twice the limit is received, so that the refusal can say what the limit is.

    Compressed messages are refused, and not unpacked: the library bounds what arrives, not what it becomes.
    """
    return [
        ("grpc.max_receive_message_length", 2 * max_request_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.compression_enabled_algorithms_bitset", _UNCOMPRESSED),
        ("grpc.per_message_decompression", 0),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_MS),
        ("grpc.keepalive_time_ms", 2 * CLIENT_PING_MS),
        *_answered(),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_INTERVAL_MS),
        ("grpc.http2.max_ping_strikes", 2),
        ("grpc.so_reuseport", 0),
    ]


def client_options(service_config: str) -> Options:
    """Return a client's options."""
    return [
        ("grpc.service_config", service_config),
        ("grpc.enable_retries", 1),
        ("grpc.keepalive_time_ms", CLIENT_PING_MS),
        *_answered(),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
    ]


def peer_options() -> Options:
    """Return the options of a server that calls another one: straight there, once, and again soon after it was away."""
    return [
        ("grpc.enable_retries", 0),  # Who called sends it again.
        ("grpc.enable_http_proxy", 0),
        ("grpc.keepalive_time_ms", CLIENT_PING_MS),
        *_answered(),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 1_000),
    ]


def _answered() -> Options:
    """Return by when a ping is answered: a time-out of keepalive alone leaves the library's own minute for pings."""
    return [("grpc.keepalive_timeout_ms", PING_TIMEOUT_MS), ("grpc.http2.ping_timeout_ms", PING_TIMEOUT_MS)]
