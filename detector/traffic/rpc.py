"""gRPC calls and their answer; needs grpcio, which only those who want gRPC must install."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio

METHOD = "/pushwake.traffic.Echo/Say"
FAULTS = {"/pushwake.traffic.Echo/Fail": grpc.StatusCode.INTERNAL}
ANSWER_S = 10.0


def _same(data: bytes) -> bytes:
    return data


class _Handlers(grpc.GenericRpcHandler):
    """Every method of the service: Say echoes, Fail fails."""

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes]:
        code = FAULTS.get(handler_call_details.method)

        async def answer(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            if code is not None:
                await context.abort(code, "asked to fail")
            return request

        return grpc.unary_unary_rpc_method_handler(answer, _same, _same)


async def serve(address: str) -> grpc.aio.Server:
    """A gRPC echo that listens at host:port."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((_Handlers(),))
    if not server.add_insecure_port(address):
        raise OSError(f"cannot listen at {address}")
    await server.start()
    return server


class Caller:
    """Calls a gRPC echo over one connection a target."""

    def __init__(self) -> None:
        self._channels: dict[tuple[str, str], grpc.aio.Channel] = {}

    async def send(self, address: str, authority: str, body: int) -> int:
        """The gRPC status as a number; 0 is OK."""
        key = (address, authority)
        if key not in self._channels:
            options = [("grpc.default_authority", authority)]
            self._channels[key] = grpc.aio.insecure_channel(address, options=options)
        say = self._channels[key].unary_unary(METHOD, _same, _same)
        try:
            await say(b"x" * body, timeout=ANSWER_S)
        except grpc.aio.AioRpcError as error:
            return int(error.code().value[0])
        return 0

    async def close(self) -> None:
        """Close all connections."""
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))
