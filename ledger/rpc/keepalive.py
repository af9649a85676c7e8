"""Channel options that server and client agree on: how a silent connection is told from a dead one."""

from typing import Final

CLIENT_PING_MS: Final = 30_000
PING_TIMEOUT_MS: Final = 10_000
LEAST_PING_INTERVAL_MS: Final = 10_000
"""Clients that ping more often than this are cut off."""

Options = list[tuple[str, int | str]]


def server_options(max_request_bytes: int) -> Options:
    """Return the server's options. Twice the limit is received, so that the refusal can say what the limit is."""
    return [
        ("grpc.max_receive_message_length", 2 * max_request_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.keepalive_time_ms", 2 * CLIENT_PING_MS),
        ("grpc.keepalive_timeout_ms", PING_TIMEOUT_MS),
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
        ("grpc.keepalive_timeout_ms", PING_TIMEOUT_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
    ]
