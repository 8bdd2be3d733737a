"""Kernels written for the vectors of this processor: scores of a few queries and rows.

A panel of queries times a tile of rows gives a small matrix of scores that stays in registers,
where it is compared with the least score that each query still keeps. Rows are either float32, or
bytes that the dot-product instructions of AVX-512 (VNNI) multiply four times as fast.

Numba's cache knows the date of the file that calls these kernels, not of this one: after a change
here, touch scan.py.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

_FEATURES = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
_VECTORS = 2


def _sizes() -> tuple[int, int]:
    """Numbers in a vector, and queries in a panel: as many as the registers hold sums for."""
    if "+avx512f" in _FEATURES:
        return 16, 12
    return (8, 6) if "+avx2" in _FEATURES else (4, 6)


_LANES, HEIGHT = _sizes()
# Rows in a tile.
WIDTH = _VECTORS * _LANES
# Whether rows of bytes can be searched.
BYTES = "+avx512vnni" in _FEATURES

_I32, _I64, _F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
_FLOATS = ir.VectorType(_F32, _LANES)


class _Writer:
    """LLVM instructions that both kernels are made of."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def at(self, address: Any, to: Any, index: Any) -> Any:
        """A pointer to one of the numbers or vectors at an address."""
        pointer = self.builder.inttoptr(address, to.as_pointer())
        return self.builder.gep(pointer, [_I64(index) if isinstance(index, int) else index])

    def load(self, address: Any, to: Any, index: Any) -> Any:
        """One of the numbers or vectors at an address."""
        return self.builder.load(self.at(address, to, index), align=4)

    def spread(self, number: Any, to: Any) -> Any:
        """A vector of one number."""
        nothing = ir.Constant(to, ir.Undefined)
        one = self.builder.insert_element(nothing, number, _I32(0))
        return self.builder.shuffle_vector(one, nothing, ir.VectorType(_I32, _LANES)([0] * _LANES))

    def declared(self, name: str, to: Any) -> Any:
        """An operation of LLVM on three vectors."""
        module = self.builder.module
        known = module.globals.get(name)
        return known or ir.Function(module, ir.FunctionType(to, [to, to, to]), name)

    def sums(self, steps: Any, panel: Any, tile: Any, start: Any, kind: Any) -> list[list[Any]]:
        """The products of all pairs, added to `start` step by step, HEIGHT rows of vectors."""
        builder, vector = self.builder, ir.VectorType(kind, _LANES)
        if kind is _F32:
            add = self.declared(f"llvm.fmuladd.v{_LANES}f32", vector)
        else:
            add = self.declared("llvm.x86.avx512.vpdpbusd.512", vector)
        initial = [self.load(start, vector, v) for v in range(_VECTORS)]
        before = builder.block
        loop, done = builder.append_basic_block(), builder.append_basic_block()
        builder.branch(loop)
        builder.position_at_end(loop)
        step = builder.phi(_I64)
        sums = [[builder.phi(vector) for _ in range(_VECTORS)] for _ in range(HEIGHT)]
        here, there = builder.mul(step, _I64(_VECTORS)), builder.mul(step, _I64(HEIGHT))
        rows = [self.load(tile, vector, builder.add(here, _I64(v))) for v in range(_VECTORS)]
        added = []
        for r in range(HEIGHT):
            x = self.spread(self.load(panel, kind, builder.add(there, _I64(r))), vector)
            pairs = zip(sums[r], rows, strict=True)
            orders = ([x, y, s] if kind is _F32 else [s, x, y] for s, y in pairs)
            added.append([builder.call(add, order) for order in orders])
        following = builder.add(step, _I64(1))
        step.add_incoming(_I64(0), before)
        step.add_incoming(following, loop)
        for r in range(HEIGHT):
            for v in range(_VECTORS):
                sums[r][v].add_incoming(initial[v], before)
                sums[r][v].add_incoming(added[r][v], loop)
        builder.cbranch(builder.icmp_signed("<", following, steps), loop, done)
        builder.position_at_end(done)
        return added

    def scaled(self, sums: list[list[Any]], units: Any, factors: Any, halves: Any) -> list[Any]:
        """Sums of bytes as scores: times the factors of query and row, less half a squared norm."""
        builder = self.builder
        fma = self.declared(f"llvm.fmuladd.v{_LANES}f32", _FLOATS)
        scale, half = (
            [self.load(address, _FLOATS, v) for v in range(_VECTORS)]
            for address in (factors, halves)
        )
        scores = []
        for r in range(HEIGHT):
            unit = self.spread(self.load(units, _F32, r), _FLOATS)
            products = [builder.fmul(builder.sitofp(s, _FLOATS), unit) for s in sums[r]]
            triples = zip(products, scale, half, strict=True)
            scores.append([builder.call(fma, list(triple)) for triple in triples])
        return scores

    def compare(self, found: list[list[Any]], least: Any, scores: Any, masks: Any) -> None:
        """Store scores, and a bit for each that is above the least."""
        builder = self.builder
        for r in range(HEIGHT):
            lowest, mask = self.spread(self.load(least, _F32, r), _FLOATS), _I32(0)
            for v, score in enumerate(found[r]):
                builder.store(score, self.at(scores, _FLOATS, r * _VECTORS + v), align=4)
                above = builder.fcmp_ordered(">", score, lowest)
                bits = builder.zext(builder.bitcast(above, ir.IntType(_LANES)), _I32)
                mask = builder.or_(mask, builder.shl(bits, _I32(v * _LANES)))
            builder.store(mask, self.at(masks, _I32, r), align=4)


def _kernel(addresses: int, write: Callable[..., None]) -> Any:
    """A function for numba of a number of steps and some addresses."""

    def generate(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        write(_Writer(builder), *given)
        return context.get_dummy_value()

    return types.void(types.intp, *[types.uintp] * addresses), generate


def _product(context, steps, panel, tile, start, least, scores, masks):  # type: ignore[no-untyped-def]
    def write(to: _Writer, steps: Any, panel: Any, tile: Any, start: Any, *given: Any) -> None:
        to.compare(to.sums(steps, panel, tile, start, _F32), *given)

    return _kernel(6, write)


def _product_of_bytes(  # type: ignore[no-untyped-def]
    context, steps, panel, tile, start, least, scores, masks, units, factors, halves
):
    def write(to: _Writer, steps: Any, panel: Any, tile: Any, start: Any, *given: Any) -> None:
        sums = to.sums(steps, panel, tile, start, _I32)
        to.compare(to.scaled(sums, *given[3:]), *given[:3])

    return _kernel(9, write)


def _lowest_bit(context, mask):  # type: ignore[no-untyped-def]
    def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        return builder.zext(builder.cttz(given[0], ir.IntType(1)(1)), _I64)

    return types.int64(types.uint32), write


def _prefetch(context, address):  # type: ignore[no-untyped-def]
    def write(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        to = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [to, _I32, _I32, _I32])
        known = builder.module.globals.get("llvm.prefetch.p0i8")
        fetch = known or ir.Function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(fetch, [builder.inttoptr(given[0], to), _I32(0), _I32(3), _I32(1)])
        return context.get_dummy_value()

    return types.void(types.uintp), write


# Scores of a panel of float32 queries (steps, HEIGHT) and a tile of rows (steps, WIDTH). Addresses:
# panel, tile, what the sums start with (WIDTH,), the least score worth keeping of each query
# (HEIGHT,), the scores (HEIGHT, WIDTH), a mask for each query (HEIGHT,), uint32.
product: Any = intrinsic(_product)
# The same for bytes, four in each number, and for the factors of the queries (HEIGHT,), of the rows
# (WIDTH,), and negative halves of the rows' squared norms (WIDTH,).
product_of_bytes: Any = intrinsic(_product_of_bytes)
# Position of the lowest bit of a mask that is not 0.
lowest_bit: Any = intrinsic(_lowest_bit)
# Ask for the line of the cache at an address.
prefetch: Any = intrinsic(_prefetch)
